// Stepper. Pictures, arithmetic and source lines come from Python as markup; this file steps, plays and asks.

const ICONS = { first: "M1 1h2v10H1zM11 1v10L4 6z", back: "M9 1v10L2 6z", play: "M3 1l8 5-8 5z", pause: "M2 1h3v10H2zM7 1h3v10H7z", next: "M3 1l7 5-7 5z", last: "M9 1h2v10H9zM1 1l7 5-7 5z" };
const SMALLEST = 0.7, LARGEST = 1.25; // scales: where text is still legible, and of a small graph
const STEP_KEYS = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last" };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS(svg.namespaceURI, "path");
  svg.setAttribute("class", "icon"); svg.setAttribute("viewBox", "0 0 12 12"); svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function render({ model, el }) {
  const root = h("section", { class: "lab graphic stepper", "aria-label": `Stepper: ${model.get("title")}` });
  shield(root);
  const title = h("h2", {}, h("span", { class: "muted" }, "step through: "), model.get("title"));
  el.append(root);
  if (model.get("state") !== "steps") return message(model, root, title);

  const plan = model.get("plan"), known = new Map(Object.entries(model.get("known")).map(([n, data]) => [Number(n), data]));
  const forward = plan.forward.length, count = plan.count;
  const ran = new Map(plan.forward.map((node, i) => [node, i + 1])); // the step at which a node gets its value
  const passed = new Map(plan.backward.map((node, i) => [node, forward + 2 + i])); // and passes its gradient on
  let items = [], boxes = new Map(), n = Math.min(model.get("step"), count), open = false, timer = 0, waiting = 0, asked = new Set(), tall = 0, looked = 0;
  const nodeAt = (step) => (step <= forward ? plan.forward[step - 1] : step === forward + 1 ? plan.root : plan.backward[step - forward - 2]);
  const phase = (step) => (step <= forward ? "forward" : "backward");

  // Frame --------------------------------------------------------------------------------------
  const button = (name, label, tip, act, cls) => h("button", { class: cls, onclick: act, title: tip, "aria-label": label ? null : tip, "data-do": name }, name === "next" ? label : icon(name), name === "next" ? icon(name) : label);
  const badge = h("span", { class: "badge" });
  const asks = h("input", { type: "checkbox", checked: model.get("ask"), onchange: () => { model.set("ask", asks.checked); model.save_changes(); show(n, { fresh: true }); } });
  const score = h("output", { class: "muted small", "data-field": "score" });
  const save = (format, text) => h("button", { onclick: () => { model.send({ do: "export", format }); menu.open = false; } }, text);
  const menu = h("details", { class: "menu" }, h("summary", {}, "save as"), h("div", {}, save("html", "page (HTML)"), save("txt", "words (text)")));
  const broken = model.get("badge") ? h("span", { class: "badge alarm" }, model.get("badge")) : null;
  const bar = h("header", { class: "bar" }, title, broken, badge, score, h("label", { class: "field" }, asks, " predict first"), menu);
  const note = h("p", { class: "notice", hidden: true });
  const view = h("div", { class: "view", tabindex: "0", role: "group", "aria-label": `Graph of ${model.get("title")}; click a node to go to its step` });
  const code = h("div", { class: "source" });
  const table = h("table", { class: "values" });
  const side = h("aside", { class: "side", "aria-label": `Source and values of ${model.get("title")}` }, code, table);
  const back = button("back", "back", "Back one step. Key: left arrow", () => go(n - 1));
  const play = h("button", { onclick: () => (timer ? stop() : start()), title: "Play. Key: space", "data-do": "play" }, icon("play"), "play");
  const next = button("next", "next", "On to the next step. Key: right arrow", forth, "primary");
  const first = button("first", null, "First step. Key: Home", () => go(1)), last = button("last", null, "Last step. Key: End", () => go(count));
  const slider = h("input", { type: "range", min: 1, max: count, value: 1, step: 1, "aria-label": "Step", oninput: () => go(Number(slider.value)) });
  const where = h("output", { "aria-label": "Step" });
  const pace = h("input", { type: "range", min: 0.5, max: 4, step: 0.5, value: 1, oninput: () => { fill(pace); speed.textContent = `${pace.value} / s`; if (timer) start(); } });
  const speed = h("output", {}, "1 / s");
  const sums = h("div", { class: "sums" });
  const status = h("span", { "aria-live": "polite", "data-field": "status" });
  root.append(bar, note, h("div", { class: "body" }, view, side),
    h("div", { class: "transport" }, h("span", { class: "join", role: "group", "aria-label": "Steps" }, first, back, play, next, last),
      h("span", { class: "group small steps" }, h("span", { class: "muted", "aria-hidden": "true" }, "step"), slider, where), h("label", { class: "field small" }, "speed ", pace, speed)),
    sums, h("footer", { class: "status" }, status, h("span", { class: "hint" }, "Left and right arrow keys step, space plays.")));
  const eye = camera(view, () => {});
  const fill = (range) => range.style.setProperty("--at", `${(100 * (range.value - range.min)) / Math.max(1e-9, range.max - range.min)}%`);
  fill(pace);

  // Picture: what has run is full, the current one ringed, gradients appear on their edges as they arrive -----------
  function draw() {
    const picture = model.get("picture");
    view.innerHTML = picture.svg || '<p class="muted small">No picture: see the notice above.</p>';
    note.textContent = [picture.note, plan.failure].filter(Boolean).join(" "); note.hidden = !note.textContent;
    note.classList.toggle("bad", Boolean(plan.failure));
    items = [...view.querySelectorAll(".node, .title")];
    boxes = new Map();
    const members = picture.members || {};
    for (const item of items) {
      item.setAttribute("role", "button"); item.setAttribute("tabindex", "-1");
      for (const node of item.dataset.node ? [Number(item.dataset.node)] : members[item.dataset.key] || []) boxes.set(node, item);
    }
    if (view.querySelector("svg")) eye.put(view.querySelector("svg"));
  }
  function paint(step, hide) {
    const until = hide ? step - 1 : step, current = boxes.get(nodeAt(step));
    const inside = new Map();
    for (const [node, item] of boxes) { if (!inside.has(item)) inside.set(item, []); inside.get(item).push(node); }
    for (const [item, nodes] of inside) {
      item.classList.toggle("todo", nodes.every((node) => ran.has(node) && ran.get(node) > until));
      item.classList.toggle("passed", step > forward && nodes.some((node) => passed.has(node)) && nodes.every((node) => !passed.has(node) || passed.get(node) <= until));
      item.classList.toggle("selected", item === current);
      if (item === current) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current");
    }
    const late = new Set((known.get(step) || {}).late || []);
    for (const edge of view.querySelectorAll(".edge.grad")) {
      const head = items.find((item) => item.dataset.key === edge.dataset.head), heads = head ? inside.get(head) || [] : [];
      const came = heads.some((node) => passed.has(node) && passed.get(node) <= until);
      edge.classList.toggle("ahead", !came);
      edge.classList.toggle("now", came && head === current && step > forward + 1);
      edge.classList.toggle("lost", came && head === current && late.has(edge.dataset.tail));
    }
    if (current && eye.natural()[0] > 1) eye.reveal(frame(current));
    for (const item of items) item.setAttribute("tabindex", item === current ? "0" : "-1");
  }

  // Source: the cell or function of the step, its line lit; a click goes to the step of a line --------------------
  let shown = -1, lit = null;
  const lines = model.get("code");
  const stepsOn = (block, line) => plan.forward.filter((node) => { const w = plan.where[node]; return w && w[0] === block && w[1] === line; });
  function light(step) {
    const place = plan.where[nodeAt(step)], data = known.get(step);
    if (lit) { lit.li.classList.remove("lit"); lit.li.removeAttribute("aria-current"); lit.at.innerHTML = lit.html; lit = null; }
    if (!lines.length) { if (shown !== -2) code.replaceChildren(h("p", { class: "muted small empty" }, "No source line is known of these ops. In a notebook they are; elsewhere step through the call: lab.step_through(f, x).")); shown = -2; return; }
    const block = place ? place[0] : Math.max(shown, 0);
    if (block !== shown) list(block);
    if (!place) return;
    const li = code.querySelector(`[data-line="${place[1]}"]`), at = li && li.querySelector("button, span");
    if (!at) return;
    lit = { li, at, html: at.innerHTML };
    if (data && data.lit) at.innerHTML = data.lit;
    li.classList.add("lit"); li.setAttribute("aria-current", "step");
    const box = code.querySelector("ol");
    const expression = at.querySelector("b");
    if (expression) box.scrollLeft = Math.max(0, Math.min(expression.offsetLeft - 48, expression.offsetLeft + expression.offsetWidth + 12 - box.clientWidth));
    if (li.offsetTop < box.scrollTop || li.offsetTop + li.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = li.offsetTop - box.clientHeight / 2;
  }
  function list(block) {
    const { title: name, first: from, lines: texts } = lines[block];
    const ol = h("ol", { class: "code", style: `counter-reset: line ${from - 1}`, tabindex: "0", "aria-label": `Source, ${name}` });
    texts.forEach((text, i) => {
      const steps = stepsOn(block, from + i), at = h(steps.length ? "button" : "span", steps.length ? { title: "Go to the first step of this line", onclick: () => line(steps) } : {});
      at.innerHTML = text || " ";
      ol.append(h("li", { "data-line": from + i }, at));
    });
    code.replaceChildren(h("h3", {}, name), ol);
    shown = block;
  }
  function line(nodes) { // the first step of the line in this pass; from the last one on, the next line's first again
    const steps = nodes.map((node) => (n <= forward ? ran.get(node) : passed.get(node))).filter(Boolean).sort((a, b) => a - b);
    const ahead = steps.find((step) => step > n);
    if (steps.length) go(steps.includes(n) && ahead ? ahead : steps[0]);
  }

  // Steps --------------------------------------------------------------------------------------
  function go(to, options = {}) {
    to = Math.min(count, Math.max(1, to));
    if (to === n && !options.force) return;
    n = to;
    show(n, options);
    if (model.get("step") !== n) { model.set("step", n); model.save_changes(); }
  }
  function forth() { if (open) reveal(null); else go(n + 1, { focus: true }); }
  function look(node) { if (looked !== node) { looked = node; model.send({ do: "look", node }); } }
  function fetch(step) {
    const chunk = Math.floor((step - 1) / plan.chunk);
    if (step >= 1 && step <= count && !known.has(step) && !asked.has(chunk)) { asked.add(chunk); model.send({ do: "steps", chunk }); }
  }
  function show(step, { focus = false, fresh = false } = {}) {
    clearTimeout(waiting);
    fetch(step); // a page without a kernel answers at once
    const data = known.get(step), done = model.get("answers")[step];
    if (!boxes.has(nodeAt(step)) || boxes.get(nodeAt(step)).matches(".rest")) look(nodeAt(step));
    slider.value = step; fill(slider);
    slider.setAttribute("aria-valuetext", `step ${step} of ${count}, ${phase(step)}`);
    where.textContent = `${step} of ${count}`;
    badge.textContent = phase(step); badge.className = `badge ${phase(step) === "backward" ? "grad" : "input"}`;
    for (const b of [first, back]) b.disabled = step === 1;
    last.disabled = step === count;
    fetch(step + 1); fetch(step - 1);
    open = false;
    if (data) {
      sums.removeAttribute("aria-busy");
      sums.innerHTML = data.html;
      table.innerHTML = data.values;
      const target = sums.querySelector(".asked");
      if (asks.checked && target && !done) question(data, target, focus);
      else {
        if (done && target) sums.querySelector(".asked > span").textContent += done.right ? ", as you predicted" : done.given ? `, you said ${done.given}` : "";
        status.textContent = data.say;
      }
    } else {
      sums.setAttribute("aria-busy", "true");
      sums.replaceChildren(h("p", { class: "muted small" }, "…"));
      table.replaceChildren();
      waiting = setTimeout(() => { sums.firstChild.textContent = "The kernel is busy: this step comes when the running cell is done."; }, 700);
      status.textContent = `Step ${step} of ${count}, ${phase(step)}.`;
    }
    paint(step, open);
    light(step);
    next.firstChild.textContent = open ? "show" : "next";
    next.disabled = step === count && !open;
    if (document.activeElement && document.activeElement.disabled && root.contains(document.activeElement)) view.focus({ preventScroll: true }); // keys go on
    count_answers();
    if (!fresh || sums.offsetHeight > tall) { tall = Math.max(tall, sums.offsetHeight); sums.style.minHeight = `${tall}px`; } // what is below stays where it is
  }

  // Predictions: asked for before the last term is shown, kept with the widget -----------------------------------
  function question(data, target, focus) {
    const ask = JSON.parse(target.dataset.ask), label = target.querySelector("span");
    open = true;
    const field = ask.choices
      ? h("select", { "aria-label": "Your prediction: its shape" }, ...ask.choices.map((shape) => h("option", { value: shape }, shape)))
      : h("input", { type: "text", inputmode: "decimal", autocomplete: "off", placeholder: ask.numbers.length > 1 ? `${ask.numbers.length} numbers` : "?", "aria-label": "Your prediction", size: Math.max(4, 4 * ask.numbers.length) });
    const verdict = h("p", { class: "verdict", role: "status" }, ask.choices ? "Which shape will it have?" : "Predict it, then look.");
    const form = h("form", { class: "predict" }, field, h("button", {}, "check"));
    form.addEventListener("submit", (event) => { event.preventDefault(); check(ask, field.value.trim(), verdict); });
    label.textContent = "your prediction";
    target.replaceChildren(label, form);
    const row = target.closest(".row, .run"), notes = row.querySelector(".note");
    if (notes) notes.replaceWith(verdict); else row.append(verdict);
    for (const cell of table.querySelectorAll(n <= forward ? "tr.now td:nth-child(2)" : "tr.gets td:last-child")) if (cell.textContent) cell.textContent = "?";
    status.textContent = data.ask;
    if (focus && root.contains(document.activeElement)) field.focus({ preventScroll: true });
  }
  function check(ask, given, verdict) {
    if (!given) { verdict.textContent = "Type what you expect, or choose show."; return; }
    let right, off = "";
    if (ask.choices) { right = given === ask.shape; off = ask.numbers ? "" : `it is not ${given}`; }
    else {
      const found = (given.replaceAll("−", "-").match(/-?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+|inf|nan)/gi) || []).map(Number), wanted = ask.numbers.map(Number);
      if (found.length !== wanted.length) { verdict.textContent = `Expected ${wanted.length === 1 ? "one number" : `${wanted.length} numbers, apart by commas`}.`; return; }
      const close = (a, b) => Object.is(a, b) || Math.abs(a - b) <= 0.005 * Math.max(Math.abs(b), 1e-12);
      const wrong = wanted.flatMap((value, i) => (close(found[i], value) ? [] : [i]));
      right = !wrong.length;
      off = wanted.length === 1 ? `off by ${number(Math.abs(found[0] - wanted[0])).replace(/\.?0+$/, "")}` : `${wanted.length - wrong.length} of ${wanted.length} are right`;
    }
    if (right) return reveal(given, true);
    verdict.replaceChildren(h("b", {}, `Not ${given}: ${off}.`), ` ${ask.why || ""} Try again, or choose show.`);
    keep(given, false);
  }
  const tries = new Map();
  const keep = (given, right) => { if (!tries.has(n)) tries.set(n, given); if (right === true) tries.set(n, given); };
  function reveal(given, right = false) {
    const answers = { ...model.get("answers"), [n]: { given: given ?? tries.get(n) ?? "", right } };
    model.set("answers", answers); model.save_changes();
    show(n, { fresh: true });
    if (right) { const notes = sums.querySelector(".asked")?.closest(".row, .run")?.querySelector(".note"); if (notes) notes.prepend(h("b", { class: "done" }, "Right. ")); status.textContent = `Right. ${known.get(n).say}`; }
    (next.disabled ? view : next).focus({ preventScroll: true });
  }
  function count_answers() {
    const all = Object.values(model.get("answers")).filter((a) => a.given !== "");
    score.textContent = all.length ? `${all.filter((a) => a.right).length} of ${all.length} as predicted` : "";
  }

  // Play ---------------------------------------------------------------------------------------
  function start() {
    clearInterval(timer);
    if (n === count) go(1);
    timer = setInterval(() => { if (open || n === count) stop(); else { go(n + 1); if (n === count || open) stop(); } }, 1000 / pace.value);
    play.replaceChildren(icon("pause"), "pause"); play.title = "Pause. Key: space";
  }
  function stop() { clearInterval(timer); timer = 0; play.replaceChildren(icon("play"), "play"); play.title = "Play. Key: space"; }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input[type=text], select"), ranging = event.target.matches("input[type=range]");
    const item = event.target.closest(".node, .title");
    if (typing ? !(event.key === "ArrowRight" || event.key === "ArrowLeft") || event.target.value || event.target.matches("select") : ranging) return;
    const act = STEP_KEYS[event.key];
    if (act) { stop(); ({ back: () => go(n - 1, { focus: typing }), next: forth, first: () => go(1), last: () => go(count) })[act](); }
    else if (item && (event.key === "Enter" || event.key === " ")) visit(item);
    else if (item && (event.key === "ArrowUp" || event.key === "ArrowDown")) { const ways = items.filter((i) => i === item || i.dataset.module != null || i.dataset.goto || target(i)), to = ways[ways.indexOf(item) + (event.key === "ArrowDown" ? 1 : -1)]; if (to) { to.focus({ preventScroll: true }); eye.reveal(frame(to)); } }
    else if (event.key === " " && !event.target.matches("button, summary, input")) (timer ? stop : start)();
    else return;
    event.preventDefault();
  });

  // Pointer: a click on a node goes to its step in this pass, on a module opens or folds it ------------------------
  const dragged = pans(view, eye);
  function visit(item) {
    if (item.dataset.module != null) return model.send({ do: "toggle", module: item.dataset.module });
    const step = item.dataset.goto ? stepOf(Number(item.dataset.goto)) : target(item);
    if (step) { stop(); go(step); }
  }
  const stepOf = (node) => (n <= forward ? ran.get(node) : passed.get(node) ?? ran.get(node));
  function target(item) { // the step of an op; of an input the first one that uses it, or gives it a gradient
    const node = Number(item.dataset.node);
    if (ran.has(node)) return stepOf(node);
    const heads = [...view.querySelectorAll(n <= forward ? ".edge.fwd" : ".edge.grad")].filter((edge) => edge.dataset.tail === item.dataset.key);
    return heads.map((edge) => stepOf(Number(edge.dataset.head.slice(1)))).filter(Boolean).sort((a, b) => a - b)[0];
  }
  view.addEventListener("click", (event) => { const item = event.target.closest(".node, .title"); if (item && !dragged()) visit(item); });

  // From Python ----------------------------------------------------------------------------------
  const answer = (content) => {
    if (content.steps) {
      for (const [step, data] of Object.entries(content.steps)) known.set(Number(step), data);
      if (sums.getAttribute("aria-busy") && known.has(n)) show(n);
    } else if (content.unknown) { // a saved page
      if (content.unknown.do !== "steps") status.textContent = "This page was saved without that. Run the cell in a notebook.";
    } else if (content.export) download(content.name, content.text, content.type);
  };
  const redraw = () => { draw(); fit(); paint(n, open); };
  const moved = () => { if (model.get("step") !== n) { stop(); go(model.get("step")); } };
  const asking = () => { asks.checked = model.get("ask"); show(n, { fresh: true }); };
  model.on("change:picture", redraw); model.on("change:step", moved); model.on("change:ask", asking); model.on("msg:custom", answer);

  function fit() { // all of it where it stays legible; a small graph fills its room
    const [w, t] = eye.natural(), room = Math.min((view.clientWidth - 16) / w, (view.clientHeight - 16) / t);
    eye.fit(SMALLEST);
    if (room > 1) eye.zoom(Math.min(LARGEST, room));
  }
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === width) return;
    width = root.clientWidth;
    const narrow = width <= 720, room = narrow ? width : width - 377, [w, t] = eye.natural();
    const scale = Math.max(SMALLEST, Math.min(LARGEST, room / w));
    root.style.setProperty("--tall", `${Math.round(Math.min(narrow ? 380 : 460, Math.max(narrow ? 200 : 320, t * scale + 16)))}px`);
    fit();
    tall = 0; sums.style.minHeight = "";
    show(n, {});
  });
  draw();
  show(n);
  sizes.observe(root);
  return () => {
    sizes.disconnect(); stop(); clearTimeout(waiting);
    model.off("change:picture", redraw); model.off("change:step", moved); model.off("change:ask", asking); model.off("msg:custom", answer);
  };
}

export default { render };
