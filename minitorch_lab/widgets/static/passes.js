// Pass view. Lists and picture come from Python with the times of all that is in them; this file moves the slider,
// lights up what belongs together, and asks for what takes long.

const KEPT = "This page was saved as it is: for more, run the notebook.";

function render({ model, el }) {
  const stops = model.get("stops"), steps = model.get("steps");
  const codes = new Map(Object.entries(model.get("code")));
  let pinned = null, items = [], shut = new Set(), step = -1, asked = new Set();

  // Frame --------------------------------------------------------------------------------------
  const root = h("section", { class: "lab graphic passes", "aria-label": `Passes of ${model.get("title")}` });
  shield(root);
  const slider = h("input", { type: "range", min: 0, max: stops.length - 1, value: model.get("stop"), "aria-label": "After pass", oninput: () => go(Number(slider.value)) });
  const names = h("div", { class: "names", "aria-hidden": "true" }, ...stops.map((s, i) => h("button", { class: "quiet", tabindex: "-1", onclick: () => go(i) }, s.name)));
  const count = h("output", {});
  const tape = h("ol", { class: "tape", role: "listbox", "aria-label": "Tape" });
  const source = h("ol", { class: "code", role: "listbox", "aria-label": "Your lines" });
  tape.innerHTML = model.get("tape"); source.innerHTML = model.get("lines");
  const view = h("div", { class: "view" });
  const note = h("p", { class: "note small muted", hidden: true });
  const percent = h("output", { "aria-label": "Zoom" }, "100 %");
  const boxes = h("select", { onchange: () => model.send({ do: "group", by: boxes.value }) }, h("option", { value: "kernels" }, "kernels"), h("option", { value: "modules" }, "modules and lines"));
  const did = h("span", {}), words = h("span", { class: "muted small" }), proof = h("span", { class: "proof" });
  const why = h("ul", { class: "otherwise small muted", "aria-label": "What is computed otherwise", hidden: true });
  const changes = h("details", { class: "changes small" });
  const pick = h("select", { onchange: () => pin({ kernel: Number(pick.value) }) }, ...steps.map((s, i) => h("option", { value: i }, s.title)));
  const copy = h("button", { class: "quiet", onclick: () => navigator.clipboard?.writeText([...code.children].map((li) => li.textContent).join("\n")) }, "copy");
  const code = h("ol", { class: "code", tabindex: "0", "aria-label": "Generated code" });
  const status = h("span", { "aria-live": "polite", "data-field": "status" });
  root.append(
    h("header", { class: "bar" },
      h("h2", {}, h("span", { class: "muted" }, "passes: "), model.get("title")),
      h("span", { class: "muted about" }, model.get("about")),
      h("button", { onclick: () => { say("Making the page; comparisons may take some seconds."); model.send({ do: "export" }); }, "data-tip": "A page that works without a kernel." }, "save page")),
    h("div", { class: "slide" }, h("span", { class: "muted" }, "after"), h("div", { class: "stops", style: `--n: ${stops.length}` }, slider, names), count),
    h("div", { class: "body" },
      h("div", { class: "left" }, h("h3", {}, "tape, as the code ran"), tape, source.children.length ? h("h3", {}, "your lines") : null, source.children.length ? source : null),
      h("div", { class: "right" },
        h("header", {}, h("h3", {}, "graph, after the pass"), h("label", { class: "field" }, "boxes", boxes),
          h("span", { class: "join", role: "group", "aria-label": "Zoom" },
            h("button", { "aria-label": "Zoom out", onclick: () => eye.zoom(1 / 1.25) }, "−"), percent,
            h("button", { "aria-label": "Zoom in", onclick: () => eye.zoom(1.25) }, "+"),
            h("button", { onclick: () => eye.fit() }, "fit"))),
        note, view)),
    h("div", { class: "cost" }, did, words, proof, why, changes),
    h("div", { class: "lower" }, h("header", {}, h("h3", {}, `generated ${model.get("language")}`), h("label", { class: "field" }, h("span", { class: "hidden" }, "Kernel"), pick), copy), code),
    h("footer", { class: "status" }, status, h("span", { class: "hint" }, "Hover or focus lights up what belongs together; Enter keeps it, Esc lets go.")));
  const eye = camera(view, (scale) => { percent.textContent = `${Math.round(100 * scale)} %`; });

  // Picture ------------------------------------------------------------------------------------
  function draw() {
    const picture = model.get("picture"), focused = view.contains(document.activeElement);
    view.innerHTML = picture.svg;
    const other = boxes.value !== picture.by;
    boxes.value = picture.by; shut.clear();
    note.textContent = picture.note || ""; note.hidden = !picture.note;
    const svg = view.querySelector("svg");
    if (!svg) return;
    merges();
    items = [...svg.querySelectorAll(".node, .title")];
    for (const item of items) { item.setAttribute("role", "button"); item.setAttribute("tabindex", "-1"); item.dataset.say = item.getAttribute("aria-label"); }
    eye.put(svg);
    if (other) eye.refit(smallest());
    show();
    light(pinned);
    if (focused) focusable()[0]?.focus({ preventScroll: true });
  }

  const smallest = () => (root.clientWidth <= 720 ? 0.5 : 0.6);

  // Boxes have a place only once the widget is on the page, and it is put there after its first picture is drawn.
  function merges() {
    const svg = view.querySelector("svg");
    if (!svg || !root.clientWidth || svg.querySelector(".merge")) return;
    for (const gone of svg.querySelectorAll("[data-joined]")) join(svg, gone);
  }

  // A line from what was merged to what stands for it.
  function join(svg, gone) {
    const kept = [...svg.querySelectorAll(`[data-var="${gone.dataset.joined}"]`)].find((n) => !n.dataset.gone || Number(n.dataset.gone) > Number(gone.dataset.gone));
    if (!kept) return;
    const a = gone.querySelector(".body").getBBox(), b = kept.querySelector(".body").getBBox();
    const [x, y, u, v] = [a.x + a.width / 2, a.y + a.height / 2, b.x + b.width / 2, b.y + b.height / 2];
    const cut = (box, dx, dy) => 1 / Math.max(Math.abs(dx) / (box.width / 2), Math.abs(dy) / (box.height / 2), 1e-6);
    const s = cut(a, u - x, v - y), t = 1 - cut(b, u - x, v - y);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("class", Number(gone.dataset.gone) === at() ? "merge" : "merge later");
    line.setAttribute("d", `M${x + s * (u - x)} ${y + s * (v - y)}L${x + t * (u - x)} ${y + t * (v - y)}`);
    line.dataset.at = gone.dataset.gone; line.dataset.tape = gone.dataset.tape;
    svg.insertBefore(line, svg.querySelector(".lid"));
  }

  const at = () => Number(slider.value);
  const here = (item) => !(Number(item.dataset.born || 0) > at());
  function focusable() {
    return items.filter((item) => here(item.closest("[data-born]") || item) && !covered(item));
  }
  // Kernels that are shut now: before its stop a kernel is not there, and hides nothing.
  const lids = () => [...shut].filter((path) => at() >= Number(view.querySelector(`.module[data-frame="${CSS.escape(path)}"]`)?.dataset.born));
  const buried = (path) => lids().some((outer) => path.startsWith(`${outer}.`));
  const covered = (item) => (item.matches(".node") ? item.dataset.scope != null && (lids().includes(item.dataset.scope) || buried(item.dataset.scope)) : buried(item.dataset.module));

  // A stop of the slider -------------------------------------------------------------------------
  function go(stop) {
    slider.value = stop;
    if (model.get("stop") !== stop) { model.set("stop", stop); model.save_changes(); }
    show();
    say(`After ${stops[stop].name}: ${stops[stop].did.replace(/^\w+: /, "")}. ${stops[stop].count}.`);
  }

  function show() {
    const now = at(), stop = stops[now];
    slider.style.setProperty("--at", `${(100 * now) / Math.max(1, stops.length - 1)}%`);
    slider.setAttribute("aria-valuetext", `${stop.name}, ${stop.count}`);
    count.replaceChildren(h("span", { class: "name" }, `${stop.name}: `), stop.count);
    [...names.children].forEach((b, i) => { b.classList.toggle("on", i === now); b.classList.toggle("idle", i > 0 && !stops[i].changes.length); });
    for (const item of root.querySelectorAll("[data-born]")) {
      item.classList.toggle("later", now < item.dataset.born);
      item.classList.toggle("fresh", item.matches(".node") && now === Number(item.dataset.born));
    }
    for (const item of root.querySelectorAll("[data-gone]")) {
      const gone = now >= item.dataset.gone;
      item.classList.toggle("gone", gone);
      item.classList.toggle("before", gone && now > item.dataset.gone);
      if (item.dataset.say) item.setAttribute("aria-label", item.dataset.say + (gone ? `, gone: ${item.dataset.why || "rewritten"}` : ""));
    }
    for (const line of root.querySelectorAll(".merge")) line.classList.toggle("later", now !== Number(line.dataset.at));
    for (const frame_ of view.querySelectorAll(".module.kernel")) {
      const path = frame_.dataset.frame, open = !lids().includes(path);
      frame_.querySelector(":scope > .title")?.setAttribute("aria-expanded", String(open));
      const lid = view.querySelector(`[data-lid="${CSS.escape(path)}"]`);
      if (lid) lid.classList.toggle("later", open || buried(path));
    }
    const first = focusable().find((i) => i.classList.contains("pinned")) || focusable()[0];
    for (const item of items) item.setAttribute("tabindex", item === first ? "0" : "-1");
    did.textContent = stop.did; words.textContent = stop.words;
    changes.replaceChildren(); changes.hidden = !stop.changes.length;
    if (stop.changes.length) changes.append(h("summary", {}, `${stop.changes.length} change${stop.changes.length === 1 ? "" : "s"}`), h("ul", { tabindex: "0", "aria-label": "Changes" }, ...stop.changes.map((c) => h("li", {}, h("code", {}, c)))));
    prove();
  }

  // The certificate: a button, and its answer in the same place ----------------------------------
  function prove() {
    const now = at(), known = model.get("certificates")[now];
    why.hidden = !known?.why?.length;
    why.replaceChildren(...(known?.why || []).map((words) => h("li", {}, words)));
    if (known || !now) asked.delete(now);
    if (!now) proof.replaceChildren();
    else if (known) proof.replaceChildren(h("span", { class: `badge ${known.good ? "good" : ""}` }, known.text), known.alone ? h("span", { class: "muted small" }, " this pass itself changed no bit") : "");
    else if (asked.has(now)) proof.replaceChildren(h("span", { class: "muted small" }, "running both …"));
    else proof.replaceChildren(h("button", { onclick: () => { asked.add(now); prove(); model.send({ do: "certificate", stop: now }); }, "data-tip": "Runs the traced graph and this one on drawn inputs, and compares every bit of the results." }, "run both and compare"));
  }

  // What belongs together --------------------------------------------------------------------------
  // A light is a set of values of the trace, and the kernels to go with it.
  const rows = [...tape.children].filter((row) => row.dataset.tape), lines = [...source.children];
  function of(target) {
    if (!target) return null;
    if (target.kernel != null) return { tape: new Set(steps[target.kernel]?.origin), kernels: new Set([target.kernel]) };
    if (target.line != null) {
      const found = rows.filter((row) => numbers(row.dataset.line).has(Number(target.line)));
      return { tape: new Set(found.map((row) => Number(row.dataset.tape))), kernels: new Set(found.flatMap((row) => [...numbers(row.dataset.kernels)])) };
    }
    return { tape: numbers(target.tape), kernels: numbers(target.kernels) };
  }
  function target(element) {
    const item = element?.closest?.("[data-tape], [data-kernel], [data-line], [data-lid], .lower > .code");
    if (!item) return null;
    if (item.dataset.lid != null) return { kernel: Number(view.querySelector(`[data-frame="${CSS.escape(item.dataset.lid)}"]`).dataset.kernel) };
    if (item === code) return step < 0 ? null : { kernel: step };
    if (item.matches(".module") && !element.closest(".title, .module > rect")) return null;
    if (item.dataset.kernel != null) return { kernel: Number(item.dataset.kernel) };
    if (item.dataset.tape != null) return { tape: item.dataset.tape, kernels: item.dataset.kernels ?? (step < 0 ? "" : String(step)) };
    return { line: item.dataset.line };
  }
  function light(what) {
    const on = of(what), seen = new Set();
    for (const row of rows) {
      const lit = !!on && on.tape.has(Number(row.dataset.tape));
      row.classList.toggle("lit", lit);
      if (lit) for (const line of numbers(row.dataset.line)) seen.add(String(line));
    }
    for (const line of lines) line.classList.toggle("lit", !!on && (what.line === line.dataset.line || seen.has(line.dataset.line)));
    for (const node of view.querySelectorAll("[data-tape]")) node.classList.toggle("lit", !!on && overlap(numbers(node.dataset.tape), on.tape));
    for (const frame_ of view.querySelectorAll(".kernel, .lid")) {
      const kernel = frame_.dataset.kernel ?? view.querySelector(`[data-frame="${CSS.escape(frame_.dataset.lid)}"]`)?.dataset.kernel;
      frame_.classList.toggle("lit", !!on && on.kernels.has(Number(kernel)));
    }
    const mine = !!on && on.kernels.has(step);
    for (const li of code.children) li.classList.toggle("lit", mine && !!li.dataset.tape && overlap(numbers(li.dataset.tape), on.tape));
  }
  function over(element) { light(target(element) || pinned); }

  // Keep a light: by click or Enter. Its first kernel is the one whose code is shown.
  function pin(what, item) {
    pinned = what;
    for (const other of root.querySelectorAll(".pinned")) { other.classList.remove("pinned"); if (other.role === "option") other.setAttribute("aria-selected", "false"); }
    if (item) { item.classList.add("pinned"); if (item.getAttribute("role") === "option") item.setAttribute("aria-selected", "true"); }
    const on = of(what);
    const kernel = on && [...on.kernels][0];
    if (kernel != null && kernel !== step) choose(kernel);
    light(what);
    if (on) {
      const where = [...new Set(rows.filter((r) => on.tape.has(Number(r.dataset.tape))).map((r) => r.querySelector(".where").textContent))];
      const first = [...on.kernels].slice(0, 2).map((k) => `kernel ${steps[k].title}`), more = on.kernels.size - first.length;
      say([first.join(", ") + (more > 0 ? ` and ${more} more` : ""), `${on.tape.size} of the tape`, where.slice(0, 4).join(", ") + (where.length > 4 ? ", ..." : "")].filter(Boolean).join("; ") + ".");
      const row = rows.find((r) => r.classList.contains("lit"));
      if (row && !tape.contains(item)) bring(tape, row);
      const node = items.find((i) => i.matches(".node.lit:not(.gone)") && here(i)) || items.find((i) => i.matches(".node.lit") && here(i));
      if (node && !view.contains(item)) eye.reveal(frame(node));
    }
  }
  function choose(kernel) {
    step = kernel; pick.value = kernel;
    const html = codes.get(String(kernel));
    if (html == null) { code.replaceChildren(h("li", { class: "muted" }, "…")); model.send({ do: "code", step: kernel }); return; }
    code.innerHTML = html || "<li class='muted'>a look at a value: nothing is computed</li>";
    code.scrollTop = 0;
  }
  function say(text) { status.textContent = text; }

  // Pointer and keys -----------------------------------------------------------------------------
  root.addEventListener("pointerover", (event) => over(event.target));
  root.addEventListener("pointerleave", () => light(pinned));
  root.addEventListener("focusin", (event) => over(event.target));
  const dragged = pans(view, eye);
  root.addEventListener("click", (event) => {
    if (view.contains(event.target) && dragged()) return;
    const row = event.target.closest("[role=option]"), item = event.target.closest(".node, .title, .lid");
    if (row && (tape.contains(row) || source.contains(row))) { rove(row); pin(target(row), row); }
    else if (item && view.contains(item)) {
      if (item.matches(".title, .lid, [data-goto]") || (item.dataset.module != null && (item.classList.contains("pinned") || event.target.closest(".sign")))) open(item);
      else pin(target(item), item);
      for (const other of items) other.setAttribute("tabindex", other === item ? "0" : "-1");
      if (!item.matches(".lid")) item.focus({ preventScroll: true });
    }
  });
  function open(item) { // a rest of a large graph leads on, a kernel opens and shuts in its place; a module is drawn anew
    const path = item.dataset.lid ?? item.dataset.module;
    if (item.dataset.goto) model.send({ do: "look", node: Number(item.dataset.goto) });
    else if (item.matches(".lid") || item.dataset.kernel != null) {
      shut.has(path) ? shut.delete(path) : shut.add(path);
      show();
      pin(target(item), view.querySelector(`.title[data-module="${CSS.escape(path)}"]`));
      say(`${shut.has(path) ? "Shut" : "Open"}: ${view.querySelector(`.title[data-module="${CSS.escape(path)}"]`).dataset.say}.`);
    } else model.send({ do: "toggle", module: path });
  }
  function rove(row) {
    for (const other of row.parentNode.children) other.setAttribute("tabindex", other === row ? "0" : "-1");
    row.focus({ preventScroll: true });
    bring(row.parentNode, row);
  }
  for (const list of [tape, source]) {
    list.firstElementChild?.setAttribute("tabindex", "0");
    list.addEventListener("keydown", (event) => {
      const row = event.target.closest("[role=option]");
      if (!row) return;
      const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: list.firstElementChild, End: list.lastElementChild }[event.key];
      if (to) rove(to);
      else if (event.key === "Enter" || event.key === " ") pin(target(row), row);
      else if (!(event.key in WAYS)) return;
      event.preventDefault();
    });
  }
  view.addEventListener("keydown", (event) => {
    const item = event.target.closest(".node, .title");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    if (WAYS[event.key]) { const to = nearest(focusable(), item, WAYS[event.key]); if (to) { item.setAttribute("tabindex", "-1"); to.setAttribute("tabindex", "0"); to.focus({ preventScroll: true }); eye.reveal(frame(to)); say(`${to.getAttribute("aria-label")}.`); } }
    else if (event.key === "Enter" || event.key === " ") { if (item.dataset.module != null || item.dataset.goto) open(item); else pin(target(item), item); }
    else if (event.key === "f" || event.key === "F") eye.fit();
    else return;
    event.preventDefault();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { pin(null); say("Nothing is lit."); }
  });

  // From Python ----------------------------------------------------------------------------------
  const answer = (content) => {
    if (content.html != null) { codes.set(String(content.code), content.html); if (content.code === step) choose(step); }
    else if (content.export) { download(content.export, content.text, "text/html"); say(`Saved ${content.export}.`); }
    else if (content.unknown) say(KEPT);
    else if (content.certificate != null) { asked.delete(content.certificate); prove(); if (content.certificate === at()) proof.append(h("span", { class: "small muted", role: "status" }, ` ${content.text}`)); }
  };
  const certified = () => { prove(); const known = model.get("certificates")[at()]; if (known) say(`${stops[at()].name}: ${known.text}.`); };
  const moved = () => { if (model.get("stop") !== at()) go(model.get("stop")); };
  model.on("change:picture", draw); model.on("change:certificates", certified); model.on("change:stop", moved); model.on("msg:custom", answer);

  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === width) return;
    width = root.clientWidth;
    const room = width <= 720 ? width : width - 337, scale = Math.max(0.55, Math.min(1, room / eye.natural()[0]));
    root.style.setProperty("--tall", `${Math.round(Math.min(620, Math.max(460, eye.natural()[1] * scale + 60)))}px`);
    eye.refit(smallest());
    merges();
  });
  el.append(root);
  draw();
  sizes.observe(root);
  if (steps.length) choose(largest());
  say(`After ${stops[at()].name}: ${stops[at()].count}. Nothing moves from pass to pass: what is struck through is gone.`);
  function largest() { // the kernel that most of the tape went into
    return steps.reduce((best, s, i) => (s.origin.length > steps[best].origin.length ? i : best), 0);
  }
  return () => {
    sizes.disconnect();
    model.off("change:picture", draw); model.off("change:certificates", certified); model.off("change:stop", moved); model.off("msg:custom", answer);
  };
}


export default { render };
