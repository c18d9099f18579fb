// Live training: the controls, the curves (curves.js), the timeline (timeline.js) and the views (views.js).

const CALM = 250; // milliseconds between two changes of a number on the page
const SPOKEN = 4000; // and of the line that is read aloud
const NEWEST = 500; // epochs in the table
const HOLD = 600; // how long a choice on the page waits for the kernel's answer

const ICONS = {
  start: "M2 1l9 5-9 5z",
  pause: "M2 1h3v10H2zM7 1h3v10H7z",
  step: "M2 1l6 5-6 5zM9 1h2v10H9z",
  epoch: "M1 1l5 5-5 5zM5 1l5 5-5 5zM10 1h2v10h-2z",
  stop: "M2 2h8v8H2z",
};

function draw(markup) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  node.setAttribute("aria-hidden", "true");
  node.innerHTML = markup;
  return node;
}

function icon(name) {
  const node = draw(`<path d="${ICONS[name]}"/>`);
  node.setAttribute("class", "icon");
  node.setAttribute("viewBox", "0 0 12 12");
  return node;
}

function key(kind, word) {
  const node = draw(`<path class="${kind}" d="M0 4H18"/>${kind === "valid" ? '<circle cx="9" cy="4" r="2.5"/>' : ""}`);
  node.setAttribute("viewBox", "0 0 18 8");
  return h("span", { class: `key ${kind}` }, node, word);
}

// What the run wants to be known: a quiet list; what was dismissed stays away.
function makeNotes() {
  const list = h("ul", {});
  const root = h("div", { class: "notes", role: "status", hidden: true }, list); // a list with this role were no list
  const [shown, gone] = [new Map(), new Set()];
  const sign = () => {
    const node = draw('<path d="M6 1l5.5 10H.5zM6 4.5v3M6 9v1"/>');
    node.setAttribute("class", "sign");
    node.setAttribute("viewBox", "0 0 12 12");
    return node;
  };
  const make = ({ id, step, text, todo }) => {
    const dismiss = () => { gone.add(id); item.remove(); shown.delete(id); root.hidden = !shown.size; };
    const item = h("li", {}, sign(),
      h("span", {}, h("span", { class: "muted" }, `step ${whole(step)}  `), text, todo ? h("span", { class: "muted" }, ` ${todo}`) : null),
      h("button", { type: "button", class: "quiet", "aria-label": `Dismiss: ${text}`, onclick: dismiss }, "dismiss"));
    return item;
  };
  let notes = [];
  const update = (found) => {
    notes = found;
    const now = new Set(notes.map((note) => note.id));
    for (const [id, item] of shown) if (!now.has(id)) { item.remove(); shown.delete(id); }
    for (const note of notes) {
      if (shown.has(note.id) || gone.has(note.id)) continue;
      shown.set(note.id, make(note));
      list.append(shown.get(note.id));
    }
    root.hidden = !shown.size;
  };
  return { root, update, shown: () => notes };
}

function render({ model, el }) {
  const about = model.get("about");
  const data = series(about.span);
  let state = { state: "ready", step: 0, total: about.total, epoch: 0, epochs: about.epochs, lr: about.lr, mode: about.mode, device: about.device, speed: {}, message: "", advice: "" };
  let [valid, epochs, marks, bad] = [[], [], [], []];
  const kernel = kernelOf(model, { tell: () => words(), again: () => send({ type: "hello" }) });
  const { send } = kernel;

  // The frame.
  const field = (name, tag = "output", attributes = {}) => h(tag, { "data-field": name, ...attributes });
  const act = (name, word, run) => h("button", { type: "button", "data-act": name, onclick: run }, icon(name), word);
  const badge = field("state", "span", { class: "badge" });
  const epoch = h("span", {});
  const progress = h("progress", { max: 1, value: 0, "aria-label": "Training" });
  const percent = h("span", { class: "muted percent" });
  // What was chosen on the page stands until the kernel has answered, or for HOLD at the most.
  const held = { lr: 0, mode: 0, device: 0, streams: 0 };
  const hold = (name) => { held[name] = now() + HOLD; };
  const group = own("live");
  const choose = (name, value) => { hold(name); send({ type: name, value }); };
  const choice = (name, value, ...rest) => h("label", {}, h("input", { type: "radio", name: `${name}-${group}`, value, onchange: () => choose(name, value) }), value, ...rest);
  const showChoice = (name, fieldset, value) => {
    const input = fieldset.querySelector(`[value=${value}]`);
    if (input.checked) held[name] = 0;
    else if (now() > held[name]) input.checked = true;
  };
  const rates = Object.fromEntries(["eager", "graph"].map((name) => [name, field(`speed-${name}`, "span", { class: "rate" })]));
  const modes = h("fieldset", { class: "segment" }, h("legend", { class: "hidden" }, "Mode, with steps per second"), ...["eager", "graph"].map((name) => choice("mode", name, rates[name])));
  const devices = h("fieldset", { class: "segment" }, h("legend", { class: "hidden" }, "Device"), choice("device", "cpu"), choice("device", "cuda"));
  const reason = `lab-cuda-${Math.random().toString(36).slice(2)}`;
  if (about.no_cuda) {
    const cuda = devices.querySelector("[value=cuda]");
    cuda.setAttribute("aria-disabled", "true");
    cuda.setAttribute("aria-describedby", reason);
    cuda.addEventListener("click", (event) => event.preventDefault()); // it can be focused and read, not taken
    cuda.closest("label").dataset.tip = about.no_cuda;
  }
  const main = act("start", "start", () => off(main) || send({ type: main.dataset.act }));
  const step = act("step", "step", () => off(step) || send({ type: "step" }));
  const epochOn = act("epoch", "epoch", () => off(epochOn) || send({ type: "epoch" }));
  const stop = act("stop", "stop", () => off(stop) || send({ type: "stop" }));
  const off = (button) => button.getAttribute("aria-disabled") === "true";
  const rate = h("input", { type: "range", min: -5, max: 1, step: 0.1, "data-field": "lr", "aria-label": "Learning rate" });
  const rateText = h("output", {});

  const branch = h("span", { class: "muted" });
  const title = `lab-title-${reason.slice(9)}`;
  const figure = (name, extra, ...keys) => {
    const output = field(name);
    const canvas = h("canvas", { tabindex: 0, role: "img" });
    const node = h("figure", {}, h("header", {}, h("h3", {}, name), ...keys, extra, output), canvas);
    return { node, output, canvas, stream: name };
  };
  const logButton = () => h("button", { type: "button", class: "quiet", "data-act": "log", "aria-pressed": "false", title: "Logarithmic axis: equal distances are equal ratios" }, "log scale");
  const log = logButton();
  const keys = () => [key("train", "train"), key("valid", "validation")];
  const loss = figure("loss", log, ...keys());
  const accuracy = figure("accuracy", null, ...keys());
  accuracy.node.hidden = !about.classifies;
  for (const one of [loss, accuracy]) one.node.querySelector(".key.valid").hidden = !about.validates;

  const facts = h("dl", { class: "facts" }, ...about.facts.flatMap(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]));
  const ready = h("div", { class: "ready" }, h("p", {}, about.own ? "What the loop logs will be drawn here, step by step." : about.classifies ? "Loss and accuracy will be drawn here, step by step." : "The loss will be drawn here, step by step."), facts);
  const curves = h("div", { class: "curves", hidden: true }, loss.node, accuracy.node);
  const batch = h("span", { class: "num" }, whole(about.batch));

  // What is not always wanted, folded away: settings, and which streams are shown.
  const fields = {};
  const refused = h("p", { class: "refused small", role: "alert" });
  const change = (name, input) => {
    refused.textContent = "";
    if (input.value.trim() === "") return showSettings(true);
    hold(name);
    send({ type: name, value: Number(input.value) });
  };
  for (const [name, words] of Object.entries(SETTINGS)) {
    const [fixed, value] = name === "batch_size" ? [about.batch_fixed, about.batch] : [about[name] == null, about[name]];
    if (fixed) continue;
    const kind = name === "batch_size" ? { min: 1, step: 1 } : { min: 0, max: name === "weight_decay" ? null : 1, step: "any" };
    const input = h("input", { type: "number", "data-field": name, value, ...kind, onchange: () => change(name, input) });
    fields[name] = input;
  }
  const showSettings = (all) => {
    for (const [name, input] of Object.entries(fields)) {
      held[name] ??= 0;
      if ((all || now() > held[name]) && state[name] != null && (all || document.activeElement !== input)) input.value = setting(state[name]);
    }
    batch.textContent = whole(state.batch_size ?? about.batch);
  };
  const streams = new Map((about.streams ?? []).map(([name, words]) => {
    const button = logButton();
    const one = figure(words, button);
    const self = { words, ...one, stream: name, data: points(name === "lr"), picture: chart(one.canvas, POINT, rangeOf(POINT)) };
    one.node.hidden = true;
    one.output.dataset.field = name === "lr" ? "stream-lr" : name;
    button.addEventListener("click", () => {
      self.picture.log = !self.picture.log;
      button.setAttribute("aria-pressed", String(self.picture.log));
      redraw();
    });
    const chosen = () => {
      self.show(self.box.checked);
      hold("streams");
      send({ type: "streams", value: [...streams].filter(([, other]) => other.box.checked).map(([other]) => other) });
    };
    self.box = h("input", { type: "checkbox", "data-stream": name, onchange: chosen });
    self.show = (shown) => {
      if (one.node.hidden !== shown) return;
      [one.node.hidden, self.box.checked] = [!shown, shown];
      readout(null);
    };
    curves.append(one.node);
    return [name, self];
  }));
  const smoothing = h("input", { type: "range", min: 0, max: 4, step: 0.25, value: 1, "data-field": "smoothing", "aria-label": "Smoothing" });
  const smoothed = () => {
    const factor = Number(smoothing.value);
    smoothing.style.setProperty("--at", `${25 * factor}%`);
    smoothing.setAttribute("aria-valuetext", factor ? `${factor} times the usual` : "none");
    data.smoother(factor);
    for (const { data } of streams.values()) data.smoother(factor);
    timeline.smoother(factor);
    redraw();
  };
  smoothing.addEventListener("input", smoothed);
  const more = h("details", { class: "more" }, h("summary", {}, "Settings and streams"),
    h("div", { class: "fold" },
      h("div", { class: "settings", role: "group", "aria-label": "Settings" }, ...Object.entries(fields).map(([name, input]) => h("label", { class: "field" }, SETTINGS[name] === "batch" ? "batch size" : SETTINGS[name], input)), refused),
      h("div", { class: "settings", role: "group", "aria-label": "Streams that are shown" }, ...[...streams.values()].map(({ box, words }) => h("label", { class: "check" }, box, words)), h("label", { class: "field" }, "smoothing ", smoothing))));
  const errorText = h("pre", { role: "alert" });
  const advice = h("p", { class: "small" });
  const failed = h("div", { class: "failed", hidden: true }, errorText, advice);
  const body = h("tbody", {});
  const heads = ["epoch", "step", "loss", ...(about.classifies ? ["accuracy"] : []), ...(about.validates ? ["validation loss", ...(about.classifies ? ["validation accuracy"] : [])] : [])];
  const table = h("details", { class: "epochs", hidden: true, ontoggle: () => fillTable() }, h("summary", {}, "Numbers of each epoch"), h("div", { tabindex: 0, role: "region", "aria-label": "Numbers of each epoch" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { class: "n", scope: "col" }, name)))), body)));
  table.filled = 0;
  const spoken = h("span", { "aria-live": "polite" });
  const steps = field("step", "span");
  const total = h("span", {});

  // Parts with files of their own. Each gets every update, and the messages that it names in `messages`.
  const timelineAt = h("section", { class: "timeline", "aria-label": "Timeline", hidden: true });
  const viewsAt = h("section", { class: "views", "aria-label": "Views", hidden: true });
  const shared = { send, about, spoken };
  const timeline = makeTimeline({ root: timelineAt, ...shared });
  const parts = [timeline, ...(typeof makeViews === "function" ? [makeViews({ root: viewsAt, ...shared })] : [])];
  const notes = makeNotes();
  failed.append(h("p", {}, timeline.offer));

  const root = h("section", { class: "lab live", "aria-labelledby": title },
    h("form", { onsubmit: (event) => event.preventDefault() }, // radio groups are apart for each form
      h("header", { class: "bar" },
        h("h2", { id: title }, h("span", { class: "muted" }, "train: "), about.title, branch), badge,
        h("span", { class: "group run", hidden: about.own && !about.counts }, epoch, progress, percent),
        h("span", { class: "group" }, about.own ? rates.eager : modes, h("span", { class: "muted small" }, "steps/s"))),
      h("div", { class: "controls" },
        h("span", { class: "join", role: "group", "aria-label": "Run" }, main, step, about.own ? null : epochOn, stop),
        h("label", { class: "field", hidden: about.lr == null }, "learning rate ", rate, rateText),
        h("span", { class: "field", hidden: about.own }, "batch ", batch),
        h("span", { class: "group device", hidden: about.own }, devices, ...(about.no_cuda ? [h("span", { class: "muted small" }, about.no_cuda_short), h("span", { class: "hidden", id: reason }, about.no_cuda)] : [])),
        timeline.button)),
    kernel.note, timeline.form, more,
    h("div", { class: "body" }, h("div", { class: "pictures" }, ready, curves, timelineAt), viewsAt),
    failed, table, notes.root,
    h("footer", { class: "status" }, spoken, h("span", {}, "step ", steps, total, about.seed === null ? "" : `, seed ${about.seed}`)));
  shield(root);
  el.append(root);

  const charts = [
    [loss, chart(loss.canvas, LOSS, rangeOf(LOSS))],
    [accuracy, chart(accuracy.canvas, ["accuracy", "accuracy", "accuracy", "smoothAccuracy"], accuracyRange)],
  ];

  // Colours: a canvas cannot take a token, and the theme may change.
  let colour = null;
  const colours = () => {
    const [text, muted, line, edge, ground, bad, badInk, note] = ["fg", "muted", "line", "edge", "bg", "grad", "grad-ink", "select-ink"].map((name) => ink(`--lab-${name}`, root));
    const palette = PALETTE.map((name) => [ink(`--lab-${name}`, root), ink(`--lab-${name}-ink`, root)]);
    const [train, thin] = ["--branch", "--branch-thin"].map((name) => ink(name, root));
    colour = { train, thin, text, muted, line, edge, ground, bad, badInk, note, palette, font: getComputedStyle(root).fontFamily };
  };
  // The run that is shown has its own colour; the others are drawn over it.
  const branched = () => {
    root.style.setProperty("--branch", `var(--lab-${paletteOf(timeline.place())})`);
    branch.textContent = timeline.name() ? ` · ${timeline.name()}` : "";
    colour = null;
  };
  const othersOf = (stream) => timeline.drawn().map(({ name, place }) => {
    const [line, inked] = colour.palette[place % PALETTE.length];
    return { ...(timeline.curve(name, stream) ?? { rows: 0 }), name, colour: line, ink: inked, dash: dashOf(place), ground: colour.ground };
  }).filter((run) => run.rows);

  // Drawing: at most once a frame, and only when something is new.
  let frame = 0;
  const paint = () => {
    frame = 0;
    if (!root.isConnected || curves.hidden) return;
    if (!colour) colours();
    const end = reach(state.total, timeline.last());
    const show = (one, picture, data, valid, more) => {
      if (!one.node.hidden) picture.draw({ data, valid, marks, end, colour, others: othersOf(one.stream), ...more });
    };
    show(loss, charts[0][1], data, valid, { bad, ticks: notes.shown() });
    show(accuracy, charts[1][1], data, valid);
    for (const [name, one] of streams) {
      one.data.now = state.step;
      show(one, one.picture, one.data, checksOf(name));
    }
  };
  const redraw = () => (frame ||= requestAnimationFrame(paint));
  smoothing.style.setProperty("--at", "25%");
  const checksOf = (name) => valid.filter((row) => row.metrics && name in row.metrics).map((row) => ({ step: row.step, value: row.metrics[name] }));

  // Words and numbers, calmly.
  const now = () => performance.now();
  const shown = { at: -Infinity, spoken: -Infinity, state: null, words: "", timer: 0 };
  const last = (name) => (data.rows ? state[name] : null);
  const infinite = () => bad.length && bad[bad.length - 1][0] === state.step && bad[bad.length - 1][1] === "infinite";
  const lossNow = () => (last("loss") === null ? "" : number(infinite() ? Infinity : state.loss));
  const results = (row) => `loss ${number(row.loss)}` + (about.classifies ? `, accuracy ${number(row.accuracy)}` : "");
  const checks = (row) => number(row.loss) + (about.classifies ? `, ${number(row.accuracy)}` : "");
  // What stays true for a while: the line is read aloud, and must not speak with every step.
  const sentence = () => {
    const [row, check] = [epochs[epochs.length - 1], valid[valid.length - 1]];
    const checked = check ? `; validation ${checks(check)}` : "";
    switch (state.state) {
      case "ready": return about.own ? "The loop has not begun." : `Ready. Start trains ${whole(about.epochs)} ${about.epochs === 1 ? "epoch" : "epochs"}; step does one step and waits.`;
      case "running": return (about.own ? "The loop is running." : `Training in ${state.mode} mode.`) + (row ? ` Epoch ${whole(row.epoch)}: ${results(row)}${checked}.` : "");
      case "paused": return state.step ? `Paused after step ${whole(state.step)}: ${results(state)}.` : "Paused before the first step.";
      case "stopping": return "Stopping when this step is done.";
      case "stopped": return state.message || `Holds at step ${whole(state.step)}` + (state.step ? `: ${results(state)}.` : ".");
      case "done": return `Done after ${state.epoch ? `${whole(state.epoch)} ${state.epoch === 1 ? "epoch" : "epochs"}` : `${whole(state.step)} ${state.step === 1 ? "step" : "steps"}`}: ${results(row ?? state)}${checked}.`;
      default: return state.step ? `Failed after step ${whole(state.step)}. The message says where and what to do.` : "Failed. The message says where and what to do.";
    }
  };
  const words = () => {
    clearTimeout(shown.timer);
    shown.timer = 0;
    shown.at = now();
    const alive = ["running", "paused", "stopping"].includes(state.state);
    const part = state.part ?? (state.total ? state.step / state.total : 0);
    badge.textContent = kernel.how === "gone" ? "no kernel" : state.state;
    badge.className = `badge ${state.state === "done" ? "good" : state.state === "failed" ? "bad" : ""}`;
    const nth = state.epoch + ((about.own ? !["ready", "done"].includes(state.state) : alive) ? 1 : 0);
    epoch.textContent = state.epochs ? `epoch ${whole(Math.min(nth, state.epochs))} of ${whole(state.epochs)}` : nth ? `epoch ${whole(nth)}` : ""; // a loop of one's own may have none
    progress.value = Math.min(part, 1);
    percent.textContent = `${Math.floor(100 * Math.min(part, 1))} %`;
    steps.textContent = whole(state.step);
    total.textContent = state.total ? ` of ${whole(state.total)}` : "";
    for (const [name, node] of Object.entries(rates)) node.textContent = state.speed[name] ? whole(Number(state.speed[name].toPrecision(3))) : "–";
    if (charts[0][1].at === null) {
      loss.output.textContent = lossNow();
      accuracy.output.textContent = last("accuracy") === null ? "" : number(state.accuracy);
    }

    const does = state.state === "running" || state.state === "stopping" ? "pause" : "start";
    const word = about.own && !alive ? "start" : { ready: "start", paused: "resume", stopped: "go on", failed: "go on", done: `${about.epochs} more ${about.epochs === 1 ? "epoch" : "epochs"}` }[state.state] ?? "pause";
    if (main.dataset.word !== word) {
      main.dataset.act = does;
      main.dataset.word = word;
      main.replaceChildren(icon(does), word);
    }
    main.classList.add("primary");
    stop.setAttribute("aria-disabled", String(!alive || state.state === "stopping"));
    // The loop of a cell is begun by the cell.
    main.setAttribute("aria-disabled", String(!!about.own && !alive));
    step.setAttribute("aria-disabled", String(state.state === "stopping" || !!(about.own && !alive)));
    showChoice("mode", modes, state.mode);
    showChoice("device", devices, state.device);
    epochOn.setAttribute("aria-disabled", String(state.state === "stopping"));
    if (state.lr != null && now() > held.lr) showRate(state.lr);
    showSettings();
    for (const one of streams.values()) {
      if (one.picture.at === null) one.output.textContent = one.data.rows ? number(one.data.value[one.data.rows - 1]) : "";
      one.canvas.setAttribute("aria-label", `${one.words}, now ${one.output.textContent || "not measured yet"}. Arrow keys read it step by step.`);
    }

    const begun = data.rows > 0 || timeline.last() > 0; // also where it went back to its start
    ready.hidden = begun || state.state === "failed";
    curves.hidden = !begun;
    failed.hidden = state.state !== "failed";
    if (!failed.hidden && errorText.textContent !== state.message) {
      errorText.textContent = state.message;
      advice.textContent = state.advice;
    }
    fillTable();
    const words = sentence();
    if (shown.state !== state.state || (words !== shown.words && (state.state !== "running" || now() - shown.spoken > SPOKEN))) {
      [shown.state, shown.words, shown.spoken] = [state.state, words, now()];
      spoken.textContent = words;
      const over = `over ${whole(state.step)} steps, ${data.rows ? "" : "empty"}`;
      loss.canvas.setAttribute("aria-label", `Loss ${over}from ${number(data.loss[0])} to ${number(state.loss)}. Arrow keys read it step by step.`);
      accuracy.canvas.setAttribute("aria-label", `Accuracy ${over}now ${number(state.accuracy)}. Arrow keys read it step by step.`);
    }
  };
  const refresh = (at_once) => {
    if (at_once || now() - shown.at >= CALM) words();
    else shown.timer ||= setTimeout(words, CALM - (now() - shown.at));
    redraw();
  };
  // The newest epochs, and only while somebody looks.
  const fillTable = () => {
    table.hidden = epochs.length === 0;
    const begin = Math.max(epochs.length - NEWEST, table.filled);
    if (!table.open || begin === epochs.length) return;
    for (const row of epochs.slice(begin)) {
      const check = valid[valid.length - 1]?.epoch === row.epoch ? valid[valid.length - 1] : valid.find((other) => other.epoch === row.epoch);
      const cells = [whole(row.epoch), whole(row.step), number(row.loss)];
      if (about.classifies) cells.push(number(row.accuracy));
      if (about.validates) cells.push(check ? number(check.loss) : "", ...(about.classifies ? [check ? number(check.accuracy) : ""] : []));
      body.append(h("tr", {}, ...cells.map((text) => h("td", { class: "n" }, text))));
    }
    table.filled = epochs.length;
    while (body.children.length > NEWEST) body.firstChild.remove();
  };

  // The learning rate: sent while the thumb moves, but not more than 8 times a second.
  let waiting = 0;
  const showRate = (value) => {
    rate.value = Math.log10(Math.max(value, 1e-9));
    rate.style.setProperty("--at", `${(100 * (rate.value - rate.min)) / (rate.max - rate.min)}%`);
    rate.setAttribute("aria-valuetext", setting(value));
    rateText.textContent = setting(value);
  };
  const chosen = () => Number((10 ** Number(rate.value)).toPrecision(2));
  const sendRate = () => {
    clearTimeout(waiting);
    waiting = 0;
    send({ type: "lr", value: chosen() });
  };
  rate.addEventListener("input", () => {
    hold("lr");
    showRate(chosen());
    waiting ||= setTimeout(sendRate, 125);
  });
  rate.addEventListener("change", sendRate);

  // Read-out under the pointer and by keys, in both charts at once.
  const beside = (stream, at, between = "  ") => timeline.drawn()
    .map(({ name }) => [name, valueAt(timeline.curve(name, stream) ?? { rows: 0 }, at)])
    .filter(([, value]) => Number.isFinite(value)).map(([name, value]) => `${between}${name} ${number(value)}`).join("");
  const readout = (at, say) => {
    for (const [one, picture] of charts) {
      picture.at = at;
      one.node.classList.toggle("reading", at !== null);
    }
    for (const one of streams.values()) {
      one.picture.at = at;
      one.node.classList.toggle("reading", at !== null);
      const row = at === null ? one.data.rows - 1 : one.data.find(at);
      if (!one.data.rows) one.output.textContent = "";
      else one.output.textContent = at === null ? number(one.data.value[row]) : `step ${whole(one.data.step[row])}  ${number(one.data.value[row])}${beside(one.stream, at)}`;
    }
    if (at === null) {
      loss.output.textContent = lossNow();
      accuracy.output.textContent = last("accuracy") === null ? "" : number(state.accuracy);
    } else if (data.rows) {
      const row = data.find(at);
      const name = data.count[row] > 1 ? `steps ${whole(data.step[row] - data.count[row] + 1)}–${whole(data.step[row])}` : `step ${whole(data.step[row])}`;
      const text = (value, mild) => `${name}  ○ ${number(value)}  ● ${number(mild)}`; // the dots that are drawn
      loss.output.textContent = text(data.loss[row], data.smoothLoss[row]) + beside("loss", at);
      accuracy.output.textContent = text(data.accuracy[row], data.smoothAccuracy[row]) + beside("accuracy", at);
      if (say) spoken.textContent = `${name}: loss ${number(data.loss[row])}, smoothed ${number(data.smoothLoss[row])}` + (about.classifies ? `; accuracy ${number(data.accuracy[row])}` : "") + `${beside("loss", at, "; ")}.`;
    }
    redraw();
  };
  for (const [{ canvas }, picture] of [...charts, ...[...streams.values()].map((one) => [one, one.picture])]) {
    canvas.addEventListener("pointermove", (event) => readout(Math.min(Math.max(picture.stepAt(event.offsetX) ?? 1, 1), state.step)));
    canvas.addEventListener("pointerleave", () => readout(null));
    canvas.addEventListener("blur", () => readout(null));
    canvas.addEventListener("keydown", (event) => {
      const row = data.find(picture.at ?? state.step);
      const jump = Math.max(1, Math.round(data.rows / 100)) * (event.shiftKey ? 10 : 1);
      const to = { ArrowLeft: row - (picture.at === null ? 0 : jump), ArrowRight: row + jump, Home: 0, End: data.rows - 1 }[event.key];
      if (event.key === "Escape") readout(null);
      if (to === undefined || !data.rows) return;
      event.preventDefault();
      readout(data.step[Math.min(Math.max(to, 0), data.rows - 1)], true);
    });
  }
  log.addEventListener("click", () => {
    charts[0][1].log = !charts[0][1].log;
    log.setAttribute("aria-pressed", String(charts[0][1].log));
    redraw();
  });

  // Messages.
  let asked = false;
  const ask = () => {
    if (!asked) send({ type: "hello" });
    asked = true;
  };
  const receive = (content, buffers) => {
    if (content.type === "refused") {
      if (content.setting !== "timeline") refused.textContent = content.message;
      showSettings(true);
    }
    for (const part of parts) part.messages?.[content.type]?.(content, buffers);
    if (content.type !== "update") return;
    if (content.reset) {
      data.clear();
      for (const one of streams.values()) one.data.clear();
      [valid, epochs, marks, bad] = [[], [], [], []];
      body.replaceChildren();
      table.filled = 0;
      asked = false;
    } else if (content.first !== data.steps) return ask(); // something was missed: all of it again
    const view = buffers?.[0];
    if (view) data.add(view instanceof Float32Array ? view : new Float32Array((view.buffer ?? view).slice(view.byteOffset ?? 0, (view.byteOffset ?? 0) + view.byteLength)));
    for (const [name, rows] of Object.entries(content.points ?? {})) streams.get(name)?.data.add(rows);
    valid.push(...content.validation);
    epochs.push(...content.epoch_rows);
    if (valid.length > 4000) valid = valid.filter((_, i) => i % 2 || i === valid.length - 1); // of a long run every second one
    if (epochs.length > 2 * NEWEST) {
      table.filled = Math.max(0, table.filled - (epochs.length - NEWEST));
      epochs = epochs.slice(-NEWEST);
    }
    marks.push(...content.marks);
    bad.push(...(content.bad ?? []));
    const changed = content.now.state !== state.state;
    if (now() > held.streams) for (const [name, one] of streams) one.show((content.now.streams ?? []).includes(name));
    state = content.now;
    if (state.loss === null) state.loss = NaN;
    kernel.run(state.state === "running");
    notes.update(state.notes ?? []);
    for (const part of parts) part.update(state, content, buffers);
    if ("timeline" in content) branched();
    refresh(changed || content.reset || state.state !== "running");
  };
  model.on("msg:custom", receive);

  const sized = new ResizeObserver(redraw);
  sized.observe(curves);
  const themed = () => {
    colour = null;
    for (const part of parts) part.theme();
    redraw();
  };
  const unthemed = onTheme(themed);
  words();
  ask();

  return () => {
    model.off("msg:custom", receive);
    for (const part of parts) part.remove?.();
    sized.disconnect();
    unthemed();
    kernel.end();
    clearTimeout(shown.timer);
    clearTimeout(waiting);
    cancelAnimationFrame(frame);
  };
}

// A loop of one's own may log something new: the panel is made anew with a picture for it.
function renew({ model, el }) {
  let remove = render({ model, el });
  const again = () => {
    remove();
    el.replaceChildren();
    remove = render({ model, el });
  };
  model.on("change:about", again);
  return () => {
    model.off("change:about", again);
    remove();
  };
}

export default { render: renew };
