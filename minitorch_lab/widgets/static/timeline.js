// The timeline: the steps that the run can go back to, as points on a track, and the other branches above it.
// The run that is shown is the track. It also keeps the curves of the other runs, for the charts.
function makeTimeline({ root, send, about, spoken }) {
  const LANE = 40; // pixels: a line of words, and the branch below it
  const WAIT = 3000; // how long a rewind may take before another one is asked for
  let [tree, now, key, width] = [null, null, "", 0];
  const curves = new Map(); // of the other runs, by name
  let smoothing = 1;
  const lanes = new Map();

  // Track, lanes and numbers.
  const picture = draw("");
  picture.setAttribute("class", "tree");
  const list = h("ul", { class: "lanes", "aria-label": "Branches and other runs" });
  const slider = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "data-field": "timeline", "aria-label": "Go back to a kept step" });
  const scale = h("div", { class: "scale", "aria-hidden": "true" });
  const hint = h("span", { class: "hint" });
  const memory = h("span", { class: "memory", "data-field": "kept" });
  const problem = h("p", { class: "refused", role: "alert" });
  const code = makeScript(send);
  root.append(h("div", { class: "board" }, picture, list, slider, scale), h("p", { class: "foot" }, hint, memory, code.button), problem, code.root);
  const form = makeFork(send, about);

  // Going back: one step is asked for at a time, the last of those that were wanted meanwhile follows.
  const rewind = { asked: null, wanted: null, dragging: false, timer: 0 };
  const ask = (step) => {
    problem.textContent = "";
    if (rewind.asked !== null) { rewind.wanted = step; return; }
    rewind.asked = step;
    send({ type: "rewind", step });
    rewind.timer = setTimeout(answered, WAIT);
  };
  const answered = () => {
    clearTimeout(rewind.timer);
    const { asked, wanted } = rewind;
    [rewind.asked, rewind.wanted] = [null, null];
    if (wanted !== null && wanted !== asked) ask(wanted);
  };
  const nearest = (step) => tree.kept.reduce((best, kept) => (Math.abs(kept - step) < Math.abs(best - step) ? kept : best), tree.kept[0]);
  const scrub = (step) => {
    if (!tree?.kept.length) return;
    const place = nearest(step);
    slider.value = place;
    said(place);
    if (place !== (rewind.wanted ?? rewind.asked ?? now.step)) ask(place);
  };
  slider.addEventListener("pointerdown", () => { rewind.dragging = true; });
  for (const name of ["pointerup", "pointercancel", "change"]) slider.addEventListener(name, () => { rewind.dragging = false; });
  slider.addEventListener("input", () => scrub(Number(slider.value)));
  slider.addEventListener("keydown", (event) => {
    if (!tree?.kept.length) return;
    const at = rewind.wanted ?? rewind.asked ?? now.step;
    const [before, after] = [tree.kept.filter((step) => step < at), tree.kept.filter((step) => step > at)];
    const back = (count) => before[Math.max(before.length - count, 0)];
    const on = (count) => after[Math.min(count, after.length) - 1];
    const to = {
      ArrowLeft: () => back(1), ArrowDown: () => back(1), ArrowRight: () => on(1), ArrowUp: () => on(1),
      PageDown: () => back(10), PageUp: () => on(10), Home: () => tree.kept[0], End: () => tree.kept[tree.kept.length - 1],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    if (to() !== undefined) scrub(to());
  });
  const follow = () => {
    if (rewind.dragging || rewind.asked !== null) return;
    slider.value = now.step;
    said(now.step);
  };
  const said = (step) => slider.setAttribute("aria-valuetext", `step ${whole(step)}, ${tree.kept.includes(step) ? "kept" : "now"}`);

  // The other branches.
  const makeLane = (branch) => {
    const box = h("input", { type: "checkbox", "data-branch": branch.name, "aria-label": `Draw ${branch.name} over the curves`, onchange: () => send({ type: "hide", name: branch.name, value: !box.checked }) });
    const line = draw('<path d="M0 4H22"/>');
    line.setAttribute("viewBox", "0 0 22 8");
    const gap = h("span", { class: "gap" });
    const words = h("span", { class: "words" });
    const name = branch.other
      ? h("span", { class: "name" }, branch.name)
      : h("button", { type: "button", class: "quiet name", title: `Show ${branch.name} in this panel; the run that is shown now holds`, onclick: () => send({ type: "select", name: branch.name }) }, branch.name);
    const on = branch.other ? null : h("button", { type: "button", class: "quiet", "data-act": "go-on", "aria-label": `Go on with ${branch.name}`, onclick: () => send({ type: "go_on", name: branch.name }) }, icon("start"), "go on");
    return { item: h("li", {}, gap, h("label", { class: "check" }, box, line), name, words, on), gap, box, line, words };
  };
  const describe = (branch) => {
    const result = branch.loss === null ? "" : `loss ${number(branch.loss)}, `;
    const where = { ready: `not started`, done: `done at ${whole(branch.steps)}`, failed: `failed at ${whole(branch.steps)}`, running: `running, ${whole(branch.steps)}` }[branch.state] ?? `holds at ${whole(branch.steps)}`;
    return [...branch.changed, result + where].join(", ");
  };
  const others = () => tree.branches.filter((branch) => branch.name !== tree.current).reverse(); // the newest on top
  const arrange = () => {
    const rows = others();
    const names = new Set(rows.map((branch) => branch.name));
    for (const [name, { item }] of lanes) if (!names.has(name)) { item.remove(); lanes.delete(name); }
    for (const name of curves.keys()) if (!names.has(name)) curves.delete(name);
    rows.forEach((branch, place) => {
      if (!lanes.has(branch.name)) lanes.set(branch.name, makeLane(branch));
      const lane = lanes.get(branch.name);
      if (list.children[place] !== lane.item) list.insertBefore(lane.item, list.children[place] ?? null);
      lane.item.style.setProperty("--branch", `var(--lab-${paletteOf(branch.place)})`);
      lane.item.style.setProperty("--branch-ink", `var(--lab-${paletteOf(branch.place)}-ink)`);
      lane.line.firstChild.setAttribute("stroke-dasharray", dashOf(branch.place));
      lane.box.checked = !branch.hidden;
      lane.words.textContent = lane.words.title = describe(branch);
    });
  };

  // The picture: all in two strokes a branch, so that hundreds of kept steps cost nothing.
  const end = () => reach(now.total, last());
  const last = () => Math.max(now?.step ?? 0, ...(tree ? [...tree.kept.slice(-1), ...tree.branches.flatMap((branch) => [branch.steps ?? 0, branch.from, ...branch.kept.slice(-1)])] : []));
  const px = (step) => (width * step) / end();
  const dots = (steps, y) => steps.map((step) => `M${px(step).toFixed(1)} ${y}h0`).join("");
  // As large as half of the gaps between them allow.
  const sizeOf = (steps) => {
    const gaps = steps.slice(1).map((step, i) => px(step - steps[i])).sort((a, b) => a - b);
    return Math.min(8, Math.max(3.5, gaps[gaps.length >> 1] ?? 8));
  };
  const branchAt = (place) => `stroke="var(--lab-${paletteOf(place)})"`;
  const kept = (steps, y, place) => steps.length ? `<path class="dots" ${branchAt(place)} stroke-width="${sizeOf(steps).toFixed(1)}" d="${dots(steps, y)}"/><path class="holes" stroke-width="${(sizeOf(steps) - 2.4).toFixed(1)}" d="${sizeOf(steps) > 4 ? dots(steps, y) : ""}"/>` : "";
  const paint = () => {
    const rows = others();
    const track = rows.length * LANE + 16;
    const mine = tree.branches.find((branch) => branch.name === tree.current);
    const lane = (name) => (name === null ? track : rows.findIndex((branch) => branch.name === name) * LANE + 31);
    const parts = [];
    for (const branch of rows) {
      const [x, y, y0, to] = [px(branch.from), lane(branch.name), lane(branch.on), px(Math.max(branch.steps, branch.from, ...branch.kept.slice(-1)))];
      const begin = branch.other ? `M${x} ${y}` : `M${x} ${y0}C${x + 8} ${y0} ${x} ${y} ${x + 12} ${y}`;
      parts.push(`<path class="fork" ${branchAt(branch.place)} stroke-dasharray="${dashOf(branch.place)}" d="${begin}H${Math.max(Math.min(to, width), x + 12)}"/>`, kept(branch.kept, y, branch.place));
      lanes.get(branch.name).gap.style.flexBasis = `${(100 * branch.from) / end()}%`;
    }
    const place = mine?.place ?? 0;
    picture.innerHTML = `<path class="rail" d="M0 ${track}H${width}"/><path class="run" ${branchAt(place)} d="M0 ${track}H${px(now.step)}"/>${parts.join("")}${mine ? kept(tree.kept, track, place) : ""}`;
    slider.hidden = !mine;
    slider.max = end();
    follow();
    scale.replaceChildren(...ticks(0, end(), Math.max(2, Math.floor(width / 110))).filter(([v]) => Number.isInteger(v)).map(([v]) => {
      const at = v / end();
      return h("span", { style: `left: ${100 * at}%; transform: translateX(${at < 0.03 ? 0 : at > 0.97 ? -100 : -50}%)` }, v ? whole(v) : "step 0");
    }));
  };
  const sized = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width;
    if (tree && width) paint();
  });
  sized.observe(picture.parentNode);

  const say = () => {
    const newest = tree.kept[tree.kept.length - 1];
    const back = now.step < newest && now.state !== "running";
    hint.textContent = !tree.kept.length ? "" : back
      ? `Step ${whole(now.step)} of ${whole(newest)}. Going on forgets the steps after it; a fork keeps them.`
      : "Drag the ring, or use its arrow keys, to go back.";
    memory.textContent = tree.memory;
  };

  const update = (state, message) => {
    const before = now?.step;
    now = state;
    for (const [name, found] of Object.entries(message.curves ?? {})) {
      curves.set(name, curvesOf(found, about.span));
      curves.get(name).smoother(smoothing);
    }
    if (message.reset && rewind.asked !== null) {
      spoken.textContent = `Went back to step ${whole(now.step)}` + (now.loss === now.loss && now.step ? `, loss ${number(now.loss)}.` : ".");
      answered();
    }
    if ("timeline" in message) {
      if (tree && message.timeline?.current !== tree.current) form.close();
      tree = message.timeline;
      root.hidden = !tree;
      if (tree) arrange();
    }
    form.update(now, tree);
    if (!tree) return;
    const [view, run] = [`${end()} ${width}`, picture.querySelector(".run")];
    if (width && ("timeline" in message || view !== key || !run)) paint();
    else if (run && before !== now.step) run.setAttribute("d", run.getAttribute("d").replace(/H.*/, `H${px(now.step)}`));
    key = view;
    follow();
    say();
  };
  const refuse = ({ setting, message }) => {
    if (setting !== "timeline") return;
    answered();
    if (!form.refuse(message)) problem.textContent = message;
  };
  return {
    update, theme() {}, button: form.button, form: form.root, offer: form.offer, last: () => last(),
    messages: { refused: refuse, script: code.show },
    // What the charts need: the place of the run that is shown among the colours, and the other runs that are drawn.
    place: () => tree?.branches.find((branch) => branch.name === tree.current)?.place ?? 0,
    name: () => (tree?.current && tree.current !== about.title ? tree.current : null),
    drawn: () => (tree ? tree.branches.filter((branch) => curves.has(branch.name) && !branch.hidden) : []),
    curve: (name, stream) => curves.get(name)?.streams[stream],
    smoother: (factor) => {
      smoothing = factor;
      for (const found of curves.values()) found.smoother(factor);
    },
    remove: () => { sized.disconnect(); clearTimeout(rewind.timer); },
  };
}

// The curves of another run: of each stream rows of step and value, which begin before the step from which it is drawn,
// so that the smoothed line begins where the other one is.
function curvesOf({ from, checks, ...rows }, span) {
  const streams = {};
  for (const [name, found] of Object.entries(rows)) {
    streams[name] = { from, checks, step: found.map((row) => row[0]), raw: found.map((row) => row[1] ?? NaN), value: [], rows: found.length };
  }
  const smoother = (factor) => {
    for (const [name, one] of Object.entries(streams)) {
      let [mean, weight, before] = [0, 0, 0];
      [one.low, one.high] = [Infinity, -Infinity];
      for (let i = 0; i < one.rows; i++) {
        const fade = name === "lr" ? 0 : Math.exp((before - one.step[i]) / (span * factor));
        before = one.step[i];
        if (Number.isFinite(one.raw[i])) [mean, weight] = [mean * fade + one.raw[i] * (1 - fade), weight * fade + 1 - fade];
        one.value[i] = weight ? mean / weight : NaN;
        if (one.step[i] <= from || !weight) continue;
        [one.low, one.high] = [Math.min(one.low, one.value[i]), Math.max(one.high, one.value[i])];
      }
    }
  };
  return { streams, smoother };
}

// The small form that starts a fork, its button, and the offer after a loss that was no number.
function makeFork(send, about) {
  const NAMES = { lr: "learning rate", momentum: "momentum", weight_decay: "weight decay", dropout: "dropout", batch_size: "batch size" };
  const title = h("strong", {});
  const problem = h("p", { class: "refused", role: "alert" });
  const fields = {};
  let [state, begun] = [null, {}];
  for (const [name, words] of Object.entries(NAMES)) {
    if (name === "batch_size" ? about.batch_fixed : about[name] == null) continue;
    fields[name] = h("input", { type: "number", "data-fork": name, min: name === "batch_size" ? 1 : 0, step: "any" });
  }
  const branching = draw('<path d="M2.5 11V1M2.5 7.5C2.5 5 9 6 9 2.5M6.8 4L9 1.5 11.2 4" fill="none" stroke="currentColor" stroke-width="1.4"/>');
  branching.setAttribute("class", "icon");
  branching.setAttribute("viewBox", "0 0 12 12");
  const button = h("button", { type: "button", "data-act": "fork", "aria-expanded": "false", hidden: true, onclick: () => (root.hidden ? open() : close(true)) }, branching, "fork from here");
  const offer = h("button", { type: "button", class: "primary", "data-act": "fork-lower", hidden: true, onclick: () => send({ type: "fork_lower" }) });
  const start = () => {
    problem.textContent = "";
    const settings = {};
    for (const [name, input] of Object.entries(fields)) if (input.value.trim() !== "" && input.value !== begun[name]) settings[name] = Number(input.value);
    send({ type: "fork", step: null, settings });
  };
  const root = h("form", { class: "forking", hidden: true, "aria-label": "Fork", onsubmit: (event) => { event.preventDefault(); start(); } },
    title, ...Object.entries(fields).map(([name, input]) => h("label", { class: "field" }, NAMES[name], input)),
    h("span", { class: "join" }, h("button", { type: "submit", class: "primary", "data-act": "start-fork" }, "start the fork"), h("button", { type: "button", "data-act": "no-fork", onclick: () => close(true) }, "cancel")),
    problem);
  root.addEventListener("keydown", (event) => { if (event.key === "Escape") close(true); });
  const open = () => {
    root.hidden = false;
    button.setAttribute("aria-expanded", "true");
    problem.textContent = "";
    for (const [name, input] of Object.entries(fields)) input.value = begun[name] = state[name] == null ? "" : setting(state[name]);
    Object.values(fields)[0]?.focus();
  };
  const close = (focus) => {
    if (!root.hidden && (focus || root.contains(document.activeElement))) button.focus();
    root.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  return {
    root, button, offer, close: () => close(false),
    update: (now, tree) => {
      state = now;
      button.hidden = !tree?.current || !(now.step || tree.kept.length);
      title.textContent = `Fork from step ${whole(now.step)}`;
      const lower = tree?.offer;
      offer.hidden = !lower;
      if (lower) offer.textContent = `fork with learning rate ${lower.lr}`;
      offer.title = lower ? `From step ${whole(lower.step)}, the last good one that is kept` : "";
    },
    refuse: (message) => {
      if (root.hidden) return false;
      problem.textContent = message;
      return true;
    },
  };
}

// The Python script that does the run again.
function makeScript(send) {
  const text = h("pre", { tabindex: 0, role: "region", "aria-label": "Python script" });
  const notes = h("p", { class: "muted" });
  const copied = h("span", { class: "muted", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      copied.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(text); // the browser does not allow it: the learner's own keys do it
      copied.textContent = "selected: copy it with Ctrl+C";
    }
  };
  const button = h("button", { type: "button", class: "quiet", "data-act": "script", "aria-expanded": "false", onclick: () => (root.hidden ? send({ type: "script" }) : close()) }, "Python script");
  const close = () => {
    root.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  };
  const root = h("div", { class: "script", hidden: true },
    h("p", { class: "buttons" }, h("button", { type: "button", "data-act": "copy", onclick: copy }, "copy"), h("button", { type: "button", onclick: () => download("run.py", text.textContent, "text/x-python") }, "save as run.py"), h("button", { type: "button", class: "quiet", onclick: close }, "close"), copied),
    notes, text);
  const show = (content) => {
    const read = content.file ? [`It reads ${content.file}, which was written beside the notebook.`] : [];
    notes.textContent = [...read, ...content.notes].join(" ");
    text.textContent = content.text;
    copied.textContent = "";
    root.hidden = false;
    button.setAttribute("aria-expanded", "true");
    text.focus();
  };
  return { root, button, show };
}
