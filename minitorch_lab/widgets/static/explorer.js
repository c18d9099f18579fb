// Explorer. The picture and the panels come from Python as markup; this file moves, selects and asks.

const HINT = "Arrow keys move, Enter opens, Esc closes.";
const GONE = "This page has not kept that: open the graph in a notebook.";
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const COLOURS = ["kind", "module", "device", "time", "memory", "gradient"];
const FILES = { svg: "picture (SVG)", png: "picture (PNG)", html: "page (HTML)", dot: "graph (DOT)", txt: "words (text)" };

function render({ model, el }) {
  const root = h("section", { class: "lab graphic explorer", "aria-label": `Graph explorer: ${model.get("title")}` });
  shield(root);
  const title = h("h2", {}, h("span", { class: "muted" }, "explore: "), model.get("title"));
  el.append(root);
  if (model.get("state") !== "graph") return message(model, root, title);

  let panels = new Map();
  let items = [], selected = "", anchor = null, hits = [], members = {}, waiting = 0, wanted = "";

  // Frame --------------------------------------------------------------------------------------
  const search = h("input", { type: "search", placeholder: "find op or shape", oninput: () => find(search.value), onkeydown: onsearch });
  const found = h("output", { "aria-live": "polite" });
  const percent = h("output", { "aria-label": "Zoom" }, "100 %");
  const gradients = h("input", { type: "checkbox", checked: true, onchange: () => root.classList.toggle("no-gradients", !gradients.checked) });
  const colour = h("select", { "aria-label": "colour by", onchange: () => recolour() }, ...COLOURS.map((by) => h("option", {}, by)));
  const listed = h("button", { "aria-pressed": "false", onclick: () => list(!root.classList.contains("listed")) }, "list");
  const save = (format) => h("button", { onclick: () => { menu.open = false; format === "png" ? photo() : model.send({ do: "export", format }); } }, FILES[format]);
  const menu = h("details", { class: "menu" }, h("summary", {}, "save as"), h("div", {}, ...Object.keys(FILES).filter((f) => model.get("formats").includes(f)).map(save)));
  const broken = model.get("badge") ? h("span", { class: "badge alarm" }, model.get("badge")) : null;
  const bar = h("header", { class: "bar" }, title, broken,
    h("label", { class: "field search" }, h("span", { class: "hidden" }, "Search nodes"), search, found),
    h("span", { class: "join", role: "group", "aria-label": "Zoom" },
      h("button", { "aria-label": "Zoom out", onclick: () => eye.zoom(1 / 1.25) }, "−"), percent,
      h("button", { "aria-label": "Zoom in", onclick: () => eye.zoom(1.25) }, "+"),
      h("button", { "data-tip": "The whole graph. Key: F", onclick: () => eye.fit() }, "fit")),
    h("label", { class: "field" }, "colour ", colour), listed,
    h("label", { class: "field" }, gradients, " gradients"), menu);
  const note = h("p", { class: "note", hidden: true });
  const legend = h("div", { class: "legend" });
  const tree = h("ul", { class: "tree", role: "tree", "aria-label": "Nodes", hidden: true });
  const view = h("div", { class: "view" });
  const stage = h("div", { class: "stage" }, view);
  const side = h("aside", { class: "side", "aria-label": `Selected node of ${model.get("title")}` });
  const status = h("span", { "aria-live": "polite", "data-field": "status" });
  root.append(bar, note, legend, h("div", { class: "body" }, tree, stage, side), h("footer", { class: "status" }, status, h("span", { class: "hint" }, HINT)));
  const eye = camera(view, (scale) => { percent.textContent = `${Math.round(100 * scale)} %`; mini.moved(); });
  const mini = minimap(view, eye);
  stage.append(mini.element);

  // Picture ------------------------------------------------------------------------------------
  function draw() {
    const picture = model.get("picture"), from = document.activeElement;
    const focus = view.contains(from) ? "picture" : tree.contains(from) ? "list" : "";
    panels = new Map(Object.entries(model.get("panels")));
    view.innerHTML = picture.svg;
    members = picture.members || {};
    note.textContent = picture.note || ""; note.hidden = !picture.note;
    gradients.closest("label").hidden = !view.querySelector(".edge.grad");
    const svg = view.querySelector("svg");
    items = [...svg.querySelectorAll(".node, .title")];
    for (const item of items) { item.setAttribute("role", "button"); item.setAttribute("tabindex", "-1"); item.dataset.say = item.getAttribute("aria-label"); }
    eye.put(svg);
    mini.put(items);
    if (wanted && model.get("colour").by !== wanted) model.send({ do: "colour", by: wanted }); // a page comes back to kinds
    paint();
    if (root.classList.contains("listed")) rows();
    if (anchor) {
      const same = items.find((item) => item.dataset.module === anchor.path);
      if (same) eye.hold(...middle(same), anchor.at);
      anchor = null;
    }
    select(picture.select || model.get("selected"), { focus, reveal: true, tell: false });
    if (search.value) find(search.value);
  }

  function select(key, { focus = "", reveal = false, tell = true } = {}) {
    const item = items.find((i) => i.dataset.key === key) || items[items.length - 1];
    if (!item) return;
    for (const other of items) { other.classList.remove("selected"); other.removeAttribute("aria-pressed"); other.setAttribute("tabindex", "-1"); }
    item.classList.add("selected"); item.setAttribute("aria-pressed", "true"); item.setAttribute("tabindex", "0");
    selected = item.dataset.key;
    for (const edge of view.querySelectorAll(".edge")) edge.classList.toggle("near", edge.dataset.tail === selected || edge.dataset.head === selected);
    const row = point();
    if (reveal) eye.reveal(frame(item));
    if (focus === "list" && row) row.focus(); else if (focus) item.focus({ preventScroll: true });
    status.textContent = item.getAttribute("aria-label") + ".";
    if (tell && model.get("selected") !== selected) { model.set("selected", selected); model.save_changes(); }
    ask(selected, item);
  }

  // Panel: at hand, or asked for. A busy kernel answers when its cell is done, and the panel says so.
  function ask(key, item) {
    clearTimeout(waiting);
    side.scrollTop = 0;
    if (panels.has(key)) { fill(side, panels.get(key)); side.removeAttribute("aria-busy"); return; }
    const busy = h("p", { class: "muted small" }, "…");
    side.replaceChildren(h("div", {}, h("p", {}, item.getAttribute("aria-label"))), h("div", {}, busy));
    side.setAttribute("aria-busy", "true");
    waiting = setTimeout(() => { busy.textContent = "The kernel is busy: the rest comes when the running cell is done."; }, 700);
    model.send({ do: "panel", key });
  }

  function toggle(path) {
    const item = items.find((i) => i.dataset.module === path);
    if (item) anchor = { path, at: eye.at(...middle(item)) };
    model.send({ do: "toggle", module: path });
  }

  function visit(number) {
    const key = `n${number}`;
    if (items.some((i) => i.dataset.key === key)) select(key, { reveal: true, focus: view.contains(document.activeElement) ? "picture" : "" });
    else model.send({ do: "select", node: number });
  }

  // Colours: a mark for each box, and the same as text in its second line ------------------------
  function recolour() {
    wanted = colour.value;
    legend.textContent = wanted === "time" ? "measuring…" : "…";
    model.send({ do: "colour", by: wanted });
  }
  function paint() {
    const { by, marks = {}, legend: words } = model.get("colour");
    if (!by) return;
    colour.value = wanted = by;
    legend.innerHTML = words;
    for (const item of items) {
      const mark = marks[item.dataset.key], line = item.querySelector(".shape");
      if (line) { line.dataset.was ??= line.textContent; line.textContent = mark ? mark[1] : line.dataset.was; }
      if (mark) item.dataset.mark = mark[0]; else delete item.dataset.mark;
      item.setAttribute("aria-label", item.dataset.say + (mark ? `, ${by} ${mark[1]}` : ""));
    }
  }

  // List: the same boxes as a tree, module by module ---------------------------------------------
  function list(shown) {
    root.classList.toggle("listed", shown);
    tree.hidden = !shown;
    listed.setAttribute("aria-pressed", String(shown));
    if (!shown) { tree.replaceChildren(); return; }
    rows();
    point()?.focus();
  }
  function rows() {
    const by = new Map(items.map((item) => [item.dataset.key, item]));
    tree.replaceChildren(...model.get("picture").outline.map(([key, level]) => {
      const item = by.get(key), folds = item.getAttribute("aria-expanded");
      const kind = item.matches(".title, .folded") ? "" : [...item.classList].find((c) => c !== "node" && c !== "selected");
      const line = item.querySelector(".shape");
      return h("li", { role: "treeitem", "data-key": key, "aria-level": level, "aria-expanded": folds, tabindex: -1, style: `--level: ${level}` },
        h("span", { class: `sign ${folds || ""}`, "aria-hidden": "true" }), h("span", {}, item.querySelector("text").textContent),
        line ? h("code", { class: "muted" }, line.dataset.was || line.textContent) : null,
        kind ? h("span", { class: "muted small" }, kind === "param" ? "parameter" : kind === "const" ? "constant" : kind) : null);
    }));
    point();
  }
  function point() { // the row of the selected box
    let mine = null;
    for (const row of tree.children) {
      const is = row.dataset.key === selected;
      row.setAttribute("aria-selected", String(is)); row.tabIndex = is ? 0 : -1;
      if (is) mine = row;
    }
    if (mine) tree.scrollTop = Math.min(mine.offsetTop - 8, Math.max(tree.scrollTop, mine.offsetTop + mine.offsetHeight + 8 - tree.clientHeight));
    return mine;
  }
  tree.addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (!row) return;
    const again = row.dataset.key === selected || event.target.matches(".sign");
    select(row.dataset.key, { focus: "list", reveal: true });
    if (again) open(at(row));
  });
  tree.addEventListener("keydown", (event) => {
    const row = event.target.closest("li"), all = [...tree.children], i = all.indexOf(row);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const go = (to) => to && select(to.dataset.key, { focus: "list", reveal: true });
    const folds = row.getAttribute("aria-expanded"), level = Number(row.ariaLevel);
    if (event.key === "ArrowDown") go(all[i + 1]);
    else if (event.key === "ArrowUp") go(all[i - 1]);
    else if (event.key === "Home") go(all[0]);
    else if (event.key === "End") go(all[all.length - 1]);
    else if (event.key === "ArrowRight") { if (folds === "false") open(at(row)); else if (folds) go(all[i + 1]); }
    else if (event.key === "ArrowLeft") { if (folds === "true") open(at(row)); else go(all.slice(0, i).reverse().find((r) => Number(r.ariaLevel) < level)); }
    else if (event.key === "Enter" || event.key === " ") open(at(row));
    else if (event.key === "Escape") list(false), listed.focus();
    else return;
    event.preventDefault();
  });
  const at = (row) => items.find((item) => item.dataset.key === row.dataset.key);

  // Search: dims what does not match; Enter goes from hit to hit, into folded modules too -------
  let asking = 0;
  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean), index = model.get("index");
    clearTimeout(asking);
    if (words.length && !index.length) asking = setTimeout(() => model.send({ do: "find", text }), 150); // a large graph: Python looks
    else mark(words.length > 0, index.flatMap((line, i) => (words.every((word) => line.includes(word)) ? [i + 1] : [])), index.length);
  }
  function mark(sought, numbers, count) {
    hits = sought ? numbers : [];
    const set = new Set(hits);
    for (const item of items) {
      const inside = item.dataset.node ? [Number(item.dataset.node)] : members[item.dataset.key] || [];
      item.classList.toggle("dim", sought && item.matches(".node") && !inside.some((n) => set.has(n)));
    }
    found.textContent = sought ? `${hits.length} of ${count}` : "";
  }
  function onsearch(event) {
    if (event.key === "Escape") { search.value = ""; find(""); event.preventDefault(); }
    if (event.key !== "Enter" || !hits.length) return;
    event.preventDefault();
    const at = hits.indexOf(Number(selected.slice(1)));
    visit(hits[(at + (event.shiftKey ? hits.length - 1 : 1) + (at < 0 && event.shiftKey ? 1 : 0)) % hits.length]);
  }

  // Keys ---------------------------------------------------------------------------------------
  function next(item, [dx, dy]) {
    const [x, y] = middle(item), key = item.dataset.key, ways = new Set();
    for (const edge of view.querySelectorAll(".edge")) {
      if (edge.dataset.tail === key) ways.add(edge.dataset.head);
      if (edge.dataset.head === key) ways.add(edge.dataset.tail);
    }
    let best = null, least = Infinity;
    for (const other of items) {
      if (other === item) continue;
      const [u, v] = middle(other), along = (u - x) * dx + (v - y) * dy, off = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
      if (along <= 4) continue;
      const cost = (along + 2 * off) * (dy && ways.has(other.dataset.key) ? 0.5 : 1); // along a line rather than beside it
      if (cost < least) [best, least] = [other, cost];
    }
    return best;
  }
  view.addEventListener("keydown", (event) => {
    const item = event.target.closest(".node, .title");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    if (step) { const to = next(item, step); if (to) select(to.dataset.key, { focus: "picture", reveal: true }); }
    else if (event.key === "Enter" || event.key === " ") open(item);
    else if (event.key === "Escape") { const path = around(item); if (path) toggle(path); }
    else if (event.key === "f" || event.key === "F") eye.fit();
    else if (event.key === "+" || event.key === "=") eye.zoom(1.25);
    else if (event.key === "-") eye.zoom(1 / 1.25);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  function around(item) { // the innermost open module around an item that can be folded
    let path = item.matches(".title") ? item.dataset.module : item.dataset.scope || "";
    while (path && !items.some((i) => i.matches(".title") && i.dataset.module === path)) path = path.slice(0, Math.max(0, path.lastIndexOf(".")));
    return path;
  }
  function open(item) {
    if (item.dataset.module != null) toggle(item.dataset.module);
    else if (item.dataset.parts != null) model.send({ do: "open", node: Number(item.dataset.node) });
    else if (item.dataset.goto) visit(Number(item.dataset.goto));
    else select(item.dataset.key);
  }

  // Pointer: click selects, a sign or a second click opens, drag pans, wheel with Ctrl zooms ------
  const dragged = pans(view, eye);
  view.addEventListener("click", (event) => {
    const item = event.target.closest(".node, .title");
    if (!item || dragged()) return;
    const again = item.dataset.key === selected;
    if (item.matches(".title") || (again && item.dataset.module != null) || event.target.closest(".sign")) { select(item.dataset.key, { focus: "picture" }); open(item); }
    else if (again && item.dataset.goto) open(item);
    else select(item.dataset.key, { focus: "picture", reveal: true });
  });
  side.addEventListener("click", (event) => {
    const to = event.target.closest("[data-goto], [data-toggle], [data-cell], [data-open], [data-measure]");
    if (!to) return;
    event.preventDefault();
    const { goto, toggle: path, open: node, measure } = to.dataset;
    if (goto) visit(Number(goto));
    else if (path != null) toggle(path);
    else if (node) model.send({ do: "open", node: Number(node) });
    else if (measure) { to.textContent = "measuring…"; model.send({ do: "measure", node: Number(measure) }); }
    else if (!cell(to.dataset.cell)) status.textContent = `${to.textContent} is not on this page: look for it where you wrote it.`;
  });

  // A PNG is drawn here, as it is seen: the picture with its computed colours on the widget's ground.
  function photo() {
    const svg = view.querySelector("svg"), copy = svg.cloneNode(true), copies = [...copy.querySelectorAll("*")];
    [...svg.querySelectorAll("*")].forEach((part, i) => {
      const look = getComputedStyle(part);
      if (look.display === "none") copies[i].setAttribute("display", "none");
      copies[i].setAttribute("style", LOOKS.map((name) => `${name}:${look.getPropertyValue(name)}`).join(";"));
    });
    const [width, height] = eye.natural(), scale = Math.min(2, 16000 / Math.max(width, height));
    for (const [name, size] of [["width", width], ["height", height]]) { copy.style[name] = ""; copy.setAttribute(name, size); }
    const image = new Image();
    image.onload = () => {
      const canvas = h("canvas", { width: Math.ceil(width * scale), height: Math.ceil(height * scale) }), pen = canvas.getContext("2d");
      pen.fillStyle = ink("--lab-bg", root);
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => download(`${model.get("title").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "") || "graph"}.png`, blob, "image/png"));
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  }

  // From Python ----------------------------------------------------------------------------------
  const answer = (content) => {
    if (content.panel) {
      panels.set(content.panel, content.html);
      if (content.panel === selected) { clearTimeout(waiting); fill(side, content.html); side.removeAttribute("aria-busy"); }
    } else if (content.hits) {
      if (content.text === search.value) mark(true, content.hits, content.count);
    } else if (content.export) download(content.name, content.text, content.type);
    else if (content.unknown) { // a page without a kernel
      status.textContent = GONE;
      if (content.unknown.do === "panel") { clearTimeout(waiting); side.lastChild.textContent = GONE; side.removeAttribute("aria-busy"); }
    }
  };
  const picked = () => { if (model.get("selected") !== selected && items.some((i) => i.dataset.key === model.get("selected"))) select(model.get("selected"), { reveal: true, tell: false }); };
  const refresh = () => { panels = new Map(Object.entries(model.get("panels"))); if (panels.has(selected)) fill(side, panels.get(selected)); };
  model.on("change:picture", draw);
  model.on("change:panels", refresh);
  model.on("change:colour", paint);
  model.on("change:selected", picked);
  model.on("msg:custom", answer);

  // First look: the whole graph where it stays readable, else its end, at a readable size ----------
  const smallest = () => (root.clientWidth < 720 ? 0.65 : 0.7);
  let width = 0;
  const sizes = new ResizeObserver(() => {
    mini.moved();
    if (!root.clientWidth || root.clientWidth === width) return;
    const first = !width;
    width = root.clientWidth;
    const narrow = width <= 720, room = narrow ? width : width - 337;
    const scale = Math.max(smallest(), Math.min(1, room / eye.natural()[0]));
    const least = narrow ? 240 : 500, most = narrow ? 480 : 620;
    root.style.setProperty("--tall", `${Math.round(Math.min(most, Math.max(least, eye.natural()[1] * scale + 16)))}px`);
    eye.refit(smallest());
    if (first) { const item = items.find((i) => i.dataset.key === selected); if (item) eye.reveal(frame(item)); }
  });
  selected = model.get("selected");
  draw();
  sizes.observe(root);
  sizes.observe(view);
  return () => {
    sizes.disconnect(); clearTimeout(waiting);
    for (const [name, listener] of [["change:picture", draw], ["change:panels", refresh], ["change:colour", paint], ["change:selected", picked], ["msg:custom", answer]]) model.off(name, listener);
  };
}

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "paint-order"];

// Where in a large picture the window is; a press or a drag moves it there. The keys have other ways.
function minimap(view, eye) {
  const NS = "http://www.w3.org/2000/svg", make = (tag) => document.createElementNS(NS, tag);
  const element = make("svg"), boxes = make("path"), here = make("rect");
  element.classList.add("mini"); element.setAttribute("aria-hidden", "true"); element.setAttribute("preserveAspectRatio", "none");
  here.classList.add("here");
  element.append(boxes, here);
  let scale = [1, 1];
  function moved() {
    const svg = view.querySelector("svg.graph");
    if (!svg) return;
    const shown = svg.getBoundingClientRect(), [width, height] = eye.natural(), ratio = shown.width / width;
    const large = shown.width > view.clientWidth + 24 || shown.height > view.clientHeight + 24;
    element.toggleAttribute("hidden", !large);
    if (!large) return;
    const [x, y] = eye.at(0, 0);
    const small = Math.min(128 / width, 96 / height);
    scale = [Math.max(small, 28 / width), Math.max(small, 28 / height)]; // a chain is not a hairline
    element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    element.setAttribute("width", width * scale[0]); element.setAttribute("height", height * scale[1]);
    for (const [name, value] of Object.entries({ x: -x / ratio, y: -y / ratio, width: view.clientWidth / ratio, height: view.clientHeight / ratio })) here.setAttribute(name, value);
  }
  const go = (event) => {
    if (!(event.buttons & 1)) return;
    const from = element.getBoundingClientRect();
    eye.hold((event.clientX - from.left) / scale[0], (event.clientY - from.top) / scale[1], [view.clientWidth / 2, view.clientHeight / 2]);
  };
  element.addEventListener("pointerdown", (event) => { element.setPointerCapture(event.pointerId); go(event); });
  element.addEventListener("pointermove", go);
  view.addEventListener("scroll", moved, { passive: true });
  return {
    element, moved,
    put(items) {
      boxes.setAttribute("d", items.filter((item) => item.matches(".node")).map((item) => { const b = frame(item); return `M${b.x} ${b.y}h${b.width}v${b.height}h${-b.width}z`; }).join(""));
      moved();
    },
  };
}

export default { render };
