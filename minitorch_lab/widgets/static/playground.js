// The playground: a network that learns points in the plane. Python trains it and sends, at most 20 times a second, what
// there is to see: the plane and each unit's output as bytes, the weights as float32. Here it is drawn, and set.

const SIDE = 100; // points of the plane along a side
const SMALL = 25; // and of a unit's picture
const CALM = 250; // milliseconds between two changes of a number on the page
const HOLD = 600; // how long a choice on the page waits for Python's answer
const SEEN = 5000; // how often Python is told that somebody looks
const MARKS = {
  start: "M2 1l9 5-9 5z",
  pause: "M2 1h3v10H2zM7 1h3v10H7z",
  step: "M2 1l6 5-6 5zM9 1h2v10H9z",
  reset: "M6 2a4 4 0 1 1-3.9 3h1.6A2.5 2.5 0 1 0 6 3.5V6L2.5 2.8 6 0z",
};

function sign(name) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of [["class", "icon"], ["viewBox", "0 0 12 12"], ["aria-hidden", "true"]]) node.setAttribute(key, value);
  node.innerHTML = `<path d="${MARKS[name]}"/>`;
  return node;
}

const whole = (count) => Math.floor(count).toLocaleString("en");
const setting = (value) => String(Number(value.toPrecision(3)));
const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function render({ model, el }) {
  const about = model.get("about");
  const name = own("playground");
  const kernel = kernelOf(model, { tell: () => now && refresh(true), again: () => send({ type: "hello" }) });
  const { send } = kernel;
  let now = null; // the last message's state
  let shape = null; // of the trial that is shown
  let [plane, units, weights, features] = [null, null, null, null];
  let [points, target, rows] = [null, null, []];
  let chosen = null; // the unit whose weights are listed: [layer, unit]
  let pointed = null; // the unit or feature under the pointer, or with the focus
  let home = [0, 0]; // the unit that a tab goes to

  // What was changed here a moment ago is not overwritten by a message that was under way.
  const held = {};
  const hold = (what) => { held[what] = performance.now() + HOLD; };
  const free = (what) => !(held[what] > performance.now());
  const change = (what, value) => {
    hold(what);
    send({ type: "set", values: { [what]: value } });
  };

  // Controls -----------------------------------------------------------------------------------------------------------

  const main = h("button", { class: "primary", "data-act": "start", onclick: () => send({ type: main.dataset.act }) });
  const step = h("button", { "data-act": "step", onclick: () => send({ type: "step" }) }, sign("step"), "step");
  const reset = h("button", { "data-act": "reset", onclick: () => send({ type: "reset" }) }, sign("reset"), "reset");

  const field = (word, control, ...more) => h("label", { class: "field" }, word, control, ...more);
  const select = (what, options, put = (value) => change(what, value)) => {
    const act = () => {
      hold(what);
      put(node.value);
    };
    const node = h("select", { "data-field": what, onchange: act }, ...options.map(([value, text]) => h("option", { value }, text)));
    return node;
  };
  const pick = (node, value) => {
    if (!free(node.dataset.field)) return;
    const text = String(value);
    if (![...node.options].some((option) => option.value === text)) node.append(h("option", { value: text }, text));
    node.value = text;
  };
  const same = (list) => list.map((value) => [value, String(value)]);
  // A slider sends while its thumb moves, but not more than 6 times a second: with the looks under 30 messages.
  const slider = (what, [min, max, by], words, { to = (v) => v, from = (v) => v } = {}) => {
    const output = h("span", { class: "num" });
    const input = h("input", { type: "range", min, max, step: by, "data-field": what });
    let waiting = 0;
    const put = () => {
      clearTimeout(waiting);
      waiting = 0;
      change(what, to(Number(input.value)));
    };
    const show = (value) => {
      input.value = from(value);
      input.style.setProperty("--at", `${(100 * (input.value - min)) / (max - min)}%`);
      output.textContent = words(value);
      input.setAttribute("aria-valuetext", words(value));
    };
    input.addEventListener("input", () => {
      hold(what);
      show(to(Number(input.value)));
      waiting ||= setTimeout(put, 170);
    });
    input.addEventListener("change", put);
    return { input, output, show: (value) => { if (free(what)) show(value); } };
  };

  const data = select("data", Object.entries(about.data));
  const noise = slider("noise", [0, 1, 0.05], (v) => v.toFixed(2));
  const share = slider("share", [0.1, 0.9, 0.1], (v) => `${Math.round(100 * v)} %`);
  const batch = select("batch", same([1, 5, 10, 20, 50, 200]), (v) => change("batch", Number(v)));
  const seed = h("input", { type: "number", min: 0, max: 4294967295, step: 1, "data-field": "seed", onchange: () => { if (seed.checkValidity() && seed.value !== "") change("seed", Number(seed.value)); } });
  const rate = slider("lr", [-4, 1, 0.05], setting, { to: (v) => Number((10 ** v).toPrecision(2)), from: (v) => Math.log10(Math.max(v, 1e-9)) });
  const optimizer = select("optimizer", same(about.optimizers));
  const activation = select("activation", same(about.activations));
  const regulariser = select("regulariser", about.regularisers.map((value) => [value, value === "none" ? "none" : value.toUpperCase()]));
  const strength = select("strength", same([0.0001, 0.001, 0.003, 0.01, 0.03, 0.1]), (v) => change("strength", Number(v)));
  strength.setAttribute("aria-label", "strength of the regulariser");
  const pace = select("pace", about.paces.map((value) => [value, value ? `${value} steps/s` : "no limit"]), (v) => send({ type: "pace", value: Number(v) }));
  const presets = Object.entries(about.presets);
  const group = (good, word) => h("optgroup", { label: word }, ...presets.filter(([, p]) => p.good === good).map(([key, p]) => h("option", { value: key }, p.title)));
  const preset = h("select", { "data-field": "preset", onchange: () => { if (preset.value) send({ type: "set", values: { preset: preset.value } }); } }, h("option", { value: "" }, "settings of your own"), group(true, "good"), group(false, "bad"));
  const reason = h("p", { class: "reason" });

  const rates = {};
  const modes = ["eager", "graph"].map((mode) => {
    const radio = h("input", { type: "radio", name: `${name}-mode`, value: mode, onchange: () => { hold("mode"); send({ type: "set", values: { mode } }); } });
    rates[mode] = h("span", { class: "rate" }, "–");
    return h("label", {}, radio, mode, rates[mode]);
  });
  const badge = h("span", { class: "badge", "data-field": "state" });
  const title = h("span", {});
  const epoch = h("span", { class: "num", "data-field": "epoch" });
  const steps = h("span", { class: "num", "data-field": "step" });

  // The network --------------------------------------------------------------------------------------------------------

  const lines = h("canvas", { class: "lines", "aria-hidden": "true" });
  const columns = h("div", { class: "columns" });
  const net = h("div", { class: "net" }, lines, columns);
  const less = (act, label, tip) => h("button", { class: "quiet", "aria-label": label, onclick: act }, tip);
  const fewer = less(() => resize(-1), "one hidden layer less", "−");
  const more = less(() => resize(+1), "one hidden layer more", "+");
  const depth = h("output", {});
  const inspector = h("div", { class: "inspector" });

  const hidden = () => now.settings.units;
  const setUnits = (list) => change("units", list);
  const resize = (by) => {
    const list = [...hidden()];
    if (by < 0) list.pop();
    else list.push(list[list.length - 1] ?? 4);
    setUnits(list);
  };
  const addUnit = (layer, by) => setUnits(hidden().map((count, i) => (i === layer ? count + by : count)));
  const usedFeatures = () => now.settings.features;
  const nameOf = (layer, unit) => {
    if (layer < hidden().length) return `layer ${layer + 1}, unit ${unit + 1}`;
    return shape.classes ? `class ${unit}` : "output";
  };
  // In the lists that Python sends: where a unit's picture stands, and its weights.
  const places = { unit: [], weight: [] };
  const locate = () => {
    let [unit, weight] = [0, 0];
    places.unit = [];
    places.weight = [];
    for (const [out, inner] of shape.layers) {
      places.unit.push(unit);
      places.weight.push(weight);
      unit += out;
      weight += out * (inner + 1);
    }
  };
  const weightAt = (layer, unit, source) => {
    const [out, inner] = shape.layers[layer];
    return weights[places.weight[layer] + (source === null ? out * inner + unit : unit * inner + source)];
  };
  const thumb = () => h("canvas", { width: SMALL, height: SMALL, "aria-hidden": "true" });

  let cells = []; // [canvas, layer, unit] of each unit, and [canvas, null, feature]
  const point = (to) => {
    pointed = to;
    redraw();
  };
  const watch = (node, what) => {
    node.addEventListener("pointerenter", () => point(what));
    node.addEventListener("pointerleave", () => point(null));
    node.addEventListener("focus", () => { if (node.matches(":focus-visible")) point(what); });
    node.addEventListener("blur", () => point(null));
    return node;
  };
  const build = () => {
    const focus = root.contains(document.activeElement) ? document.activeElement.dataset?.key : null;
    locate();
    cells = [];
    const most = Math.max(...hidden(), 1);
    net.style.setProperty("--unit", most > 10 ? "18px" : "34px");
    const made = [featureColumn(), ...shape.layers.map((_, layer) => unitColumn(layer))];
    columns.replaceChildren(...made);
    if (!cells.some(([, layer, unit]) => layer === home[0] && unit === home[1])) home = [0, 0];
    if (chosen && !cells.some(([, layer, unit]) => layer === chosen[0] && unit === chosen[1])) chosen = null;
    roam();
    inspect();
    if (focus) root.querySelector(`[data-key="${focus}"]`)?.focus();
  };
  const featureColumn = () => {
    const on = usedFeatures();
    const buttons = Object.entries(about.features).map(([key, text], i) => {
      const canvas = thumb();
      cells.push([canvas, null, i]);
      const toggle = () => {
        const next = on.includes(key) ? on.filter((other) => other !== key) : [...on, key];
        if (next.length) change("features", next);
        else say("The network needs at least one feature.");
      };
      const button = h("button", { class: "unit", "data-key": `f${i}`, "aria-pressed": String(on.includes(key)), "aria-label": `feature ${key}`, onclick: toggle }, canvas);
      return h("div", { class: "cell" }, h("span", { class: "name", "aria-hidden": "true" }, text), watch(button, [null, i]));
    });
    return h("div", { class: "column features", role: "group", "aria-label": "features" }, h("h3", {}, "features"), ...buttons);
  };
  const unitColumn = (layer) => {
    const [count] = shape.layers[layer];
    const last = layer === hidden().length;
    const all = Array.from({ length: count }, (_, unit) => {
      const canvas = thumb();
      cells.push([canvas, layer, unit]);
      const open = () => {
        chosen = chosen && chosen[0] === layer && chosen[1] === unit ? null : [layer, unit];
        roam();
        inspect();
        redraw();
      };
      const button = h("button", { class: "unit", "data-key": `u${layer}-${unit}`, "aria-label": nameOf(layer, unit), onclick: open }, canvas);
      button.addEventListener("keydown", (event) => move(event, layer, unit));
      const word = last ? h("span", { class: "name", "aria-hidden": "true" }, shape.classes ? String(unit) : "y") : null;
      return h("div", { class: "cell" }, watch(button, [layer, unit]), word);
    });
    const head = last
      ? h("h3", {}, shape.classes ? "classes" : "output")
      : h("div", { class: "count" },
          h("button", { class: "quiet", "data-key": `less${layer}`, "aria-label": `one unit less in layer ${layer + 1}`, "aria-disabled": String(count < 2), onclick: () => count > 1 && addUnit(layer, -1) }, "−"),
          h("output", { "aria-label": `units in layer ${layer + 1}` }, String(count)),
          h("button", { class: "quiet", "data-key": `more${layer}`, "aria-label": `one unit more in layer ${layer + 1}`, "aria-disabled": String(count >= about.units), onclick: () => count < about.units && addUnit(layer, 1) }, "+"));
    return h("div", { class: last ? "column outputs" : "column", role: "group", "aria-label": last ? "outputs" : `hidden layer ${layer + 1}` }, head, ...all);
  };
  // One tab stop for all units; arrows go from one to the next.
  const buttonOf = (layer, unit) => columns.querySelector(`[data-key="u${layer}-${unit}"]`);
  const roam = () => {
    for (const [canvas, layer, unit] of cells) {
      if (layer === null) continue;
      const button = canvas.parentElement;
      button.tabIndex = layer === home[0] && unit === home[1] ? 0 : -1;
      button.setAttribute("aria-expanded", String(Boolean(chosen && chosen[0] === layer && chosen[1] === unit)));
    }
  };
  const move = (event, layer, unit) => {
    const [a, b] = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key] ?? [0, 0];
    if (!a && !b) return;
    event.preventDefault();
    const to = layer + a;
    if (to < 0 || to >= shape.layers.length) return;
    const there = Math.min(Math.max(unit + b, 0), shape.layers[to][0] - 1);
    home = [to, there];
    roam();
    buttonOf(to, there).focus();
  };

  // The weights of the chosen unit, to be read and set.
  let inputs = [];
  const leave = () => {
    home = chosen;
    chosen = null;
    roam();
    inspect();
    redraw();
    buttonOf(...home).focus();
  };
  const inspect = () => {
    inputs = [];
    if (!chosen) {
      inspector.replaceChildren(h("p", { class: "muted small" }, "Point at a unit to see it large. Press it to see its weights, and to change them."));
      return;
    }
    const [layer, unit] = chosen;
    const sources = layer === 0 ? usedFeatures().map((key) => [key, about.features[key]]) : Array.from({ length: shape.layers[layer][1] }, (_, i) => [`unit ${i + 1}`, `unit ${i + 1}`]);
    const one = (source, label, text) => {
      const input = h("input", { type: "number", step: 0.1, "aria-label": `weight of ${label}`, "data-source": source === null ? "bias" : source });
      if (source === null) input.setAttribute("aria-label", "bias");
      input.addEventListener("change", () => {
        if (input.value !== "" && input.checkValidity()) send({ type: "weight", layer, unit, source, value: Number(input.value) });
      });
      inputs.push([input, source]);
      return h("label", { class: "field" }, text, input);
    };
    const close = h("button", { class: "quiet", onclick: leave }, "close");
    inspector.replaceChildren(
      h("div", { class: "head" }, h("h3", {}, `Weights of ${nameOf(layer, unit)}`), close),
      h("div", { class: "weights" }, ...sources.map(([key, text], i) => one(i, key, text)), one(null, "bias", "bias")),
    );
    fill();
  };
  const fill = () => {
    for (const [input, source] of inputs) if (document.activeElement !== input) input.value = Number(weightAt(chosen[0], chosen[1], source).toPrecision(3));
  };

  // The result ---------------------------------------------------------------------------------------------------------

  const heat = h("canvas", { "aria-hidden": "true" });
  const dots = h("canvas", { role: "img", "aria-label": "the plane" });
  const what = h("h3", {});
  const legend = h("div", { class: "legend" });
  const chart = h("canvas", { role: "img", "aria-label": "losses" });
  const cell = {};
  const score = (key) => (cell[key] = h("td", { class: "n", "data-field": key }));
  const scores = h("table", {},
    h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col", class: "n" }, h("span", { class: "train" }, "train")), h("th", { scope: "col", class: "n" }, h("span", { class: "test" }, "test")))),
    h("tbody", {}, h("tr", {}, h("th", { scope: "row" }, "loss"), score("train"), score("test")), h("tr", { class: "accuracy" }, h("th", { scope: "row" }, "accuracy"), score("train-accuracy"), score("test-accuracy"))));

  const kinds = { torch: "PyTorch", keras: "Keras" };
  let kind = "torch";
  const listing = h("pre", { class: "listing", tabindex: 0, role: "region", "aria-label": "the program" });
  const askCode = () => { if (code.open) send({ type: "code", kind }); };
  const copied = () => say("The program is copied: paste it into a cell.");
  const copy = h("button", { onclick: () => {
    const text = listing.textContent;
    const byHand = () => {
      getSelection().selectAllChildren(listing);
      document.execCommand("copy");
      copied();
    };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(copied, byHand);
    else byHand();
  } }, "copy");
  const words = h("fieldset", { class: "segment", "aria-label": "in the words of" }, ...Object.entries(kinds).map(([key, text]) => h("label", {}, h("input", { type: "radio", name: `${name}-code`, value: key, checked: key === kind, onchange: () => { kind = key; askCode(); } }), text)));
  const code = h("details", { class: "code-of", ontoggle: askCode }, h("summary", {}, "show me the code"), h("div", { class: "head" }, words, h("span", { class: "muted small" }, "The same model and training, to run in a cell."), copy), listing);

  const failed = h("p", { class: "failed", role: "alert", hidden: true });
  const spoken = h("span", { role: "status" });
  const root = h("section", { class: "lab playground", "aria-label": "playground" },
    h("header", { class: "bar" },
      h("h2", {}, h("span", { class: "muted" }, "playground: "), title), badge,
      h("span", { class: "group" }, h("span", { class: "muted" }, "epoch"), epoch), h("span", { class: "group" }, h("span", { class: "muted" }, "step"), steps),
      h("fieldset", { class: "segment", "aria-label": "mode, with its steps per second" }, ...modes), h("span", { class: "muted small" }, "steps/s"), field("pace", pace)),
    h("div", { class: "controls" }, h("div", { class: "join" }, main, step, reset), field("learning rate", rate.input, rate.output), field("optimiser", optimizer), field("activation", activation), h("span", { class: "group" }, field("regulariser", regulariser), strength)),
    kernel.note,
    h("div", { class: "lesson" }, field("begin with", preset), reason),
    h("div", { class: "body" },
      h("div", { class: "data" }, h("label", { class: "field whole" }, h("span", {}, "data set"), data), field("noise", noise.input, noise.output), field("to learn from", share.input, share.output), field("batch", batch), field("seed", seed)),
      h("div", { class: "network" }, h("div", { class: "head" }, h("h3", {}, "hidden layers"), h("span", { class: "count" }, fewer, depth, more)), net, inspector),
      h("figure", { class: "result" }, what, h("div", { class: "plane" }, heat, dots), legend, scores),
      h("figure", { class: "losses" }, h("h3", {}, "loss"), chart)),
    code, failed, h("div", { class: "status" }, spoken));
  // Escape closes the list of weights, from the list and from the network.
  root.querySelector(".network").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && chosen) leave();
  });
  shield(root);
  el.append(root);

  // Colours ------------------------------------------------------------------------------------------------------------

  let colour = null;
  const colours = () => {
    const css = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;
    const hues = HUES.map((hue) => rgbOf(`--lab-${hue}`, root));
    const tokens = Object.fromEntries(["fg", "muted", "line", "bg"].map((token) => [token, ink(`--lab-${token}`, root)]));
    colour = { hues, css: hues.map(css), ...tokens, font: getComputedStyle(root).fontFamily };
    const signed = (most) => table((v) => [v > 127 ? 1 : 0, most * Math.abs(v / 127.5 - 1)]);
    const shares = (most) => hues.map((_, kind) => table((v) => [kind, (most * v) / 255]));
    // Of small pictures, of one that is shown large, and of the plane.
    Object.assign(colour, { small: signed(0.9), large: signed(0.45), smallShare: shares(0.9), largeShare: shares(0.45) });
    colour.plane = table((v) => [v > 127 ? 1 : 0, banded(Math.abs(v / 127.5 - 1))]);
  };
  const table = (tone) => shades(colour.hues, tone);
  const stage = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const little = Object.assign(document.createElement("canvas"), { width: SMALL, height: SMALL });

  // Drawing: at most once a frame, and only what is new.
  let frame = 0;
  let stale = { points: true, chart: true };
  const redraw = () => (frame ||= requestAnimationFrame(paintAll));
  const paintAll = () => {
    frame = 0;
    if (!root.isConnected || !shape) return;
    if (!colour) colours();
    paintCells();
    paintLines();
    paintHeat();
    if (stale.points) paintPoints();
    if (stale.chart) paintChart();
    stale = {};
  };
  // A unit's picture, or a feature's: bytes, where they begin, and their colours.
  const pictureOf = (layer, unit, size) => {
    const area = SMALL * SMALL;
    if (layer === null) return [features, unit * area, colour[size]];
    const classes = layer === shape.layers.length - 1 && shape.classes;
    return [units, (places.unit[layer] + unit) * area, classes ? colour[`${size}Share`][unit] : colour[size]];
  };
  const paintCells = () => {
    for (const [canvas, layer, unit] of cells) canvas.getContext("2d").putImageData(image(SMALL, ...pictureOf(layer, unit, "small")), 0, 0);
  };
  const paintLines = () => {
    const made = sheet(lines);
    if (!made) return;
    const { paint } = made;
    const frameOf = lines.getBoundingClientRect();
    const box = new Map(cells.map(([canvas, layer, unit]) => [`${layer}-${unit}`, canvas.parentElement.getBoundingClientRect()]));
    const keys = Object.keys(about.features);
    const from = usedFeatures().map((key) => `null-${keys.indexOf(key)}`);
    const focus = pointed && pointed[0] !== null ? pointed : chosen;
    shape.layers.forEach(([out, inner], layer) => {
      for (let unit = 0; unit < out; unit++) {
        const end = box.get(`${layer}-${unit}`);
        for (let source = 0; source < inner; source++) {
          const start = box.get(layer ? `${layer - 1}-${source}` : from[source]);
          const w = weightAt(layer, unit, source);
          if (!start || !end || !Number.isFinite(w)) continue;
          const lit = focus && focus[0] === layer && focus[1] === unit;
          const [x1, y1] = [start.right - frameOf.left, start.top + start.height / 2 - frameOf.top];
          const [x2, y2] = [end.left - frameOf.left, end.top + end.height / 2 - frameOf.top];
          const bend = (x2 - x1) / 2;
          paint.strokeStyle = colour.css[w > 0 ? 1 : 0];
          paint.setLineDash(w < 0 ? [5, 3] : []);
          paint.globalAlpha = focus && !lit ? 0.18 : lit ? 1 : 0.75;
          paint.lineWidth = Math.min(0.5 + 1.5 * Math.abs(w), 8);
          paint.beginPath();
          paint.moveTo(x1, y1);
          paint.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
          paint.stroke();
        }
      }
    });
    paint.globalAlpha = 1;
  };
  const paintHeat = () => {
    const made = sheet(heat);
    if (!made) return;
    const { paint, width, height } = made;
    paint.imageSmoothingEnabled = true;
    paint.imageSmoothingQuality = "high";
    if (pointed) {
      little.getContext("2d").putImageData(image(SMALL, ...pictureOf(...pointed, "large")), 0, 0);
      paint.drawImage(little, 0, 0, width, height);
      what.textContent = pointed[0] === null ? `feature ${Object.values(about.features)[pointed[1]]}` : nameOf(...pointed);
      return;
    }
    const many = shape.classes > 2;
    stage.getContext("2d").putImageData(many ? areas(SIDE, plane, shape.classes, colour.hues) : image(SIDE, plane, 0, colour.plane), 0, 0);
    paint.drawImage(stage, 0, 0, width, height);
    what.textContent = shape.classes ? "boundary" : "output";
    paint.strokeStyle = colour.fg;
    paint.lineWidth = 1.5;
    paint.beginPath();
    const put = ([a, b], [c, d]) => {
      paint.moveTo(((a + 0.5) * width) / SIDE, ((b + 0.5) * height) / SIDE);
      paint.lineTo(((c + 0.5) * width) / SIDE, ((d + 0.5) * height) / SIDE);
    };
    if (!many) crossings(plane, SIDE, 127.5, put);
    else for (let kind = 0; kind < shape.classes; kind++) crossings(belongs(plane, SIDE, kind), SIDE, 127.5, put);
    paint.stroke();
  };
  const paintPoints = () => {
    const made = sheet(dots);
    if (!made) return;
    const { paint, width, height } = made;
    const { low, high } = shape;
    paint.lineWidth = 1;
    for (let i = target.length - 1; i >= 0; i--) {
      const x = (width * (points[2 * i] - low[0])) / (high[0] - low[0]);
      const y = height - (height * (points[2 * i + 1] - low[1])) / (high[1] - low[1]);
      const known = i < shape.known;
      const kind = shape.classes ? target[i] : target[i] > 0 ? 1 : 0;
      outline(paint, kind, x, y, known ? 3.5 : 2.75);
      const solid = shape.classes ? 1 : Math.min(1, 0.15 + Math.abs(target[i]));
      paint.fillStyle = known ? colour.css[kind] : colour.bg;
      paint.strokeStyle = known ? colour.bg : colour.css[kind];
      paint.globalAlpha = known ? 1 : 0.8;
      if (known && solid < 1) {
        paint.fillStyle = colour.bg;
        paint.fill();
        paint.globalAlpha = solid;
        paint.fillStyle = colour.css[kind];
      }
      paint.fill();
      paint.globalAlpha = known ? 1 : 0.8;
      paint.stroke();
    }
    paint.globalAlpha = 1;
  };
  const paintChart = () => {
    const made = sheet(chart);
    if (!made) return;
    const { paint, width, height } = made;
    const [left, right, top, bottom] = [34, width - 2, 8, height - 18];
    const end = Math.max(rows.length ? rows[rows.length - 1][0] : 0, 10);
    let high = 0;
    for (const row of rows) for (const v of row.slice(1, 3)) if (Number.isFinite(v)) high = Math.max(high, v);
    const power = 10 ** Math.floor(Math.log10(high || 1));
    high = [1, 2, 3, 4, 5, 6, 8, 10].map((f) => f * power).find((v) => v >= high * 0.999) || 1;
    paint.font = `11px ${colour.font}`;
    paint.fillStyle = colour.muted;
    paint.strokeStyle = colour.line;
    paint.lineWidth = 1;
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(bottom - (bottom - top) * part) + 0.5;
      paint.beginPath();
      paint.moveTo(left, y);
      paint.lineTo(right, y);
      paint.stroke();
      paint.textAlign = "right";
      paint.textBaseline = "middle";
      paint.fillText(setting(high * part), left - 6, y);
    }
    paint.textBaseline = "alphabetic";
    paint.textAlign = "left";
    paint.fillText("step 0", left, height - 4);
    paint.textAlign = "right";
    paint.fillText(whole(end), right, height - 4);
    for (const [at, stroke, thick] of [[1, colour.css[0], 2], [2, colour.fg, 1.25]]) {
      paint.strokeStyle = stroke;
      paint.lineWidth = thick;
      paint.lineJoin = "round";
      paint.beginPath();
      let pen = false;
      for (const row of rows) {
        if (!Number.isFinite(row[at])) { pen = false; continue; }
        const [x, y] = [left + ((right - left) * row[0]) / end, bottom - ((bottom - top) * row[at]) / high];
        if (pen) paint.lineTo(x, y);
        else paint.moveTo(x, y);
        pen = true;
      }
      paint.stroke();
    }
  };
  const drawLegend = () => {
    const mark = (kind, known, text) => {
      const canvas = h("canvas", { width: 24, height: 24, "aria-hidden": "true" });
      const paint = canvas.getContext("2d");
      paint.scale(2, 2);
      outline(paint, kind, 6, 6, 3.75);
      paint.fillStyle = known ? colour.css[kind] : colour.bg;
      paint.strokeStyle = colour.css[kind];
      paint.lineWidth = 1.25;
      paint.fill();
      paint.stroke();
      return h("span", { class: "key" }, canvas, text);
    };
    const kinds = shape.classes ? Array.from({ length: shape.classes }, (_, i) => mark(i, true, `class ${i}`)) : [mark(0, true, "below 0"), mark(1, true, "above 0")];
    legend.replaceChildren(...kinds, mark(0, false, "test"));
  };

  // Words --------------------------------------------------------------------------------------------------------------

  const shown = { at: 0, state: null, timer: 0, said: "" };
  const say = (text) => { spoken.textContent = text; };
  const results = () => {
    const [, train, test, , accuracy] = now.numbers;
    return `train loss ${number(train)}` + (test === null ? "" : `, test loss ${number(test)}`) + (accuracy === null ? "" : `, test accuracy ${number(accuracy)}`);
  };
  const sentence = () => {
    if (now.busy) return now.busy;
    if (now.state === "running") return `Training in ${now.mode} mode.`;
    if (now.state === "ready") return "Ready. Start trains; step does one step. Everything can be changed at any time.";
    return `Paused after step ${whole(now.step)}: ${results()}.`;
  };
  const showText = () => {
    shown.at = performance.now();
    clearTimeout(shown.timer);
    shown.timer = 0;
    const s = now.settings;
    title.textContent = about.data[s.data] ?? s.data;
    badge.textContent = kernel.how === "gone" ? "no kernel" : now.state;
    epoch.textContent = now.epoch < 10 ? now.epoch.toFixed(1) : whole(now.epoch);
    steps.textContent = whole(now.step);
    for (const [mode, node] of Object.entries(rates)) node.textContent = now.speed[mode] ? whole(Number(now.speed[mode].toPrecision(2))) : "–";
    if (free("mode")) for (const label of modes) label.firstChild.checked = label.firstChild.value === now.mode;
    const act = now.state === "running" ? "pause" : "start";
    const word = { ready: "start", paused: "go on" }[now.state] ?? "pause";
    if (main.dataset.word !== word) {
      Object.assign(main.dataset, { act, word });
      main.replaceChildren(sign(act), word);
    }
    for (const [node, value] of [[data, s.data], [batch, s.batch], [optimizer, s.optimizer], [activation, s.activation], [regulariser, s.regulariser], [strength, s.strength], [pace, now.pace]]) pick(node, value);
    for (const [one, value] of [[noise, s.noise], [share, s.share], [rate, s.lr]]) one.show(value);
    strength.hidden = s.regulariser === "none";
    if (document.activeElement !== seed && free("seed")) seed.value = s.seed;
    if (free("units")) depth.textContent = String(s.units.length);
    fewer.setAttribute("aria-disabled", String(!s.units.length));
    more.setAttribute("aria-disabled", String(s.units.length >= about.layers));
    const [, train, test, right, tested] = now.numbers;
    for (const [key, value] of [["train", train], ["test", test], ["train-accuracy", right], ["test-accuracy", tested]]) cell[key].textContent = value === null ? "–" : number(value);
    scores.querySelector(".accuracy").hidden = !shape?.classes;
    preset.value = now.preset;
    reason.textContent = about.presets[now.preset]?.reason ?? "";
    reason.hidden = !now.preset;
    failed.hidden = !now.message;
    if (failed.textContent !== now.message) failed.textContent = now.message;
    const text = sentence();
    if (text !== shown.said) {
      say(text);
      shown.said = text;
      dots.setAttribute("aria-label", `The plane with ${whole(target?.length ?? 0)} points, after ${whole(now.step)} steps`);
      chart.setAttribute("aria-label", `Losses over ${whole(now.step)} steps: ${results()}`);
    }
    if (inputs.length) fill();
  };
  const refresh = (soon) => {
    if (soon || performance.now() - shown.at > CALM) showText();
    else shown.timer ||= setTimeout(showText, CALM);
    redraw();
  };

  // Messages -----------------------------------------------------------------------------------------------------------

  let told = 0;
  const receive = (content, given) => {
    if (content.type === "code") {
      if (content.kind === kind) listing.textContent = content.text;
      return;
    }
    if (!["new", "look", "state"].includes(content.type)) return;
    const views = given?.length ? given : (content.packed ?? []).map(unpack);
    const before = now?.state;
    if (content.type === "new") {
      shape = { trial: content.trial, classes: content.classes, known: content.known, layers: content.layers, low: content.low, high: content.high };
      now = content;
      [plane, units, features] = [0, 1, 5].map((i) => bytesOf(views[i]));
      [weights, points, target] = [2, 3, 4].map((i) => floatsOf(views[i]));
      const all = floatsOf(views[6]);
      rows = Array.from({ length: all.length / 5 }, (_, i) => [...all.slice(5 * i, 5 * i + 5)]);
      if (!colour) colours();
      build();
      drawLegend();
      stale = { points: true, chart: true };
      askCode();
      return refresh(true);
    }
    if (!shape || content.trial !== shape.trial) return;
    now = content;
    if (content.type === "look") {
      [plane, units] = [bytesOf(views[0]), bytesOf(views[1])];
      weights = floatsOf(views[2]);
      const last = rows[rows.length - 1];
      const row = content.numbers.map((value) => value ?? NaN);
      if (!last || row[0] > last[0]) rows.push(row);
      if (rows.length > 2000) rows = rows.filter((_, i) => i % 2 === 0);
      stale.chart = true;
      if (performance.now() - told > SEEN) {
        told = performance.now();
        send({ type: "seen" });
      }
    }
    if (before !== now.state && now.state !== "running") askCode();
    kernel.run(now.state === "running");
    refresh(before !== now.state || content.type === "state" || now.state !== "running");
  };
  model.on("msg:custom", receive);

  const sized = new ResizeObserver(() => {
    stale = { points: true, chart: true };
    redraw();
  });
  for (const node of [net, heat, chart]) sized.observe(node);
  const themed = () => {
    colour = null;
    if (shape && root.isConnected) {
      colours();
      drawLegend();
    }
    stale = { points: true, chart: true };
    redraw();
  };
  const unthemed = onTheme(themed);
  // Jupyter puts the panel on the page after this: a colour can be read from then on.
  const begun = requestAnimationFrame(() => { themed(); });
  send({ type: "hello" });

  return () => {
    model.off("msg:custom", receive);
    sized.disconnect();
    unthemed();
    kernel.end();
    clearTimeout(shown.timer);
    cancelAnimationFrame(frame);
    cancelAnimationFrame(begun);
  };
}

export default { render };
