// Explorer. The picture and the panels come from Python as markup; this file moves, selects and asks.

const HINT = "Arrow keys move, Enter opens, Esc closes.";
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

function render({ model, el }) {
  const root = h("section", { class: "lab graphic explorer", "aria-label": `Graph explorer: ${model.get("title")}` });
  shield(root);
  const title = h("h2", {}, h("span", { class: "muted" }, "explore: "), model.get("title"));
  el.append(root);
  if (model.get("state") !== "graph") return message(model, root, title);

  const panels = new Map(Object.entries(model.get("panels")));
  const index = model.get("index");
  let items = [], selected = "", anchor = null, hits = [], members = {}, waiting = 0;

  // Frame --------------------------------------------------------------------------------------
  const search = h("input", { type: "search", placeholder: "find op or shape", oninput: () => find(search.value), onkeydown: onsearch });
  const found = h("output", { "aria-live": "polite" });
  const percent = h("output", { "aria-label": "Zoom" }, "100 %");
  const gradients = h("input", { type: "checkbox", checked: true, onchange: () => root.classList.toggle("no-gradients", !gradients.checked) });
  const save = (format, text) => h("button", { onclick: () => { model.send({ do: "export", format }); menu.open = false; } }, text);
  const menu = h("details", { class: "menu" }, h("summary", {}, "save as"), h("div", {}, save("svg", "picture (SVG)"), save("dot", "graph (DOT)"), save("txt", "words (text)")));
  const bar = h("header", { class: "bar" }, title,
    h("label", { class: "field search" }, h("span", { class: "hidden" }, "Search nodes"), search, found),
    h("span", { class: "join", role: "group", "aria-label": "Zoom" },
      h("button", { "aria-label": "Zoom out", onclick: () => eye.zoom(1 / 1.25) }, "−"), percent,
      h("button", { "aria-label": "Zoom in", onclick: () => eye.zoom(1.25) }, "+"),
      h("button", { "data-tip": "The whole graph. Key: F", onclick: () => eye.fit() }, "fit")),
    h("label", { class: "field" }, gradients, " gradients"), menu);
  const note = h("p", { class: "note", hidden: true });
  const view = h("div", { class: "view" });
  const side = h("aside", { class: "side", "aria-label": `Selected node of ${model.get("title")}` });
  const status = h("span", { "aria-live": "polite", "data-field": "status" });
  root.append(bar, note, h("div", { class: "body" }, view, side), h("footer", { class: "status" }, status, h("span", { class: "hint" }, HINT)));
  const eye = camera(view, (scale) => { percent.textContent = `${Math.round(100 * scale)} %`; });

  // Picture ------------------------------------------------------------------------------------
  function draw() {
    const picture = model.get("picture"), focused = view.contains(document.activeElement);
    view.innerHTML = picture.svg;
    members = picture.members || {};
    note.textContent = picture.note || ""; note.hidden = !picture.note;
    gradients.closest("label").hidden = !view.querySelector(".edge.grad");
    const svg = view.querySelector("svg");
    items = [...svg.querySelectorAll(".node, .title")];
    for (const item of items) { item.setAttribute("role", "button"); item.setAttribute("tabindex", "-1"); }
    eye.put(svg);
    if (anchor) {
      const same = items.find((item) => item.dataset.module === anchor.path);
      if (same) eye.hold(...middle(same), anchor.at);
      anchor = null;
    }
    select(picture.select || selected, { focus: focused, reveal: true, tell: false });
    if (search.value) find(search.value);
  }

  function select(key, { focus = false, reveal = false, tell = true } = {}) {
    const item = items.find((i) => i.dataset.key === key) || items[items.length - 1];
    if (!item) return;
    for (const other of items) { other.classList.remove("selected"); other.removeAttribute("aria-pressed"); other.setAttribute("tabindex", "-1"); }
    item.classList.add("selected"); item.setAttribute("aria-pressed", "true"); item.setAttribute("tabindex", "0");
    selected = item.dataset.key;
    for (const edge of view.querySelectorAll(".edge")) edge.classList.toggle("near", edge.dataset.tail === selected || edge.dataset.head === selected);
    if (reveal) eye.reveal(frame(item));
    if (focus) item.focus({ preventScroll: true });
    status.textContent = item.getAttribute("aria-label") + ".";
    ask(selected, item);
    if (tell && model.get("selected") !== selected) { model.set("selected", selected); model.save_changes(); }
  }

  // Panel: at hand, or asked for. A busy kernel answers when its cell is done, and the panel says so.
  function ask(key, item) {
    clearTimeout(waiting);
    side.scrollTop = 0;
    if (panels.has(key)) { side.innerHTML = panels.get(key); side.removeAttribute("aria-busy"); return; }
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
    if (items.some((i) => i.dataset.key === key)) select(key, { reveal: true, focus: view.contains(document.activeElement) });
    else model.send({ do: "select", node: number });
  }

  // Search: dims what does not match; Enter goes from hit to hit, into folded modules too -------
  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    hits = words.length ? index.flatMap((line, i) => (words.every((word) => line.includes(word)) ? [i + 1] : [])) : [];
    const set = new Set(hits);
    for (const item of items) {
      const inside = item.dataset.node ? [Number(item.dataset.node)] : members[item.dataset.key] || [];
      item.classList.toggle("dim", words.length > 0 && item.matches(".node") && !inside.some((n) => set.has(n)));
    }
    found.textContent = words.length ? `${hits.length} of ${index.length}` : "";
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
    if (step) { const to = next(item, step); if (to) select(to.dataset.key, { focus: true, reveal: true }); }
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
    else if (item.dataset.goto) visit(Number(item.dataset.goto));
    else select(item.dataset.key);
  }

  // Pointer: click selects, a sign or a second click opens, drag pans, wheel with Ctrl zooms ------
  const dragged = pans(view, eye);
  view.addEventListener("click", (event) => {
    const item = event.target.closest(".node, .title");
    if (!item || dragged()) return;
    const again = item.dataset.key === selected;
    if (item.matches(".title") || (again && item.dataset.module != null) || event.target.closest(".sign")) { select(item.dataset.key, { focus: true }); open(item); }
    else if (again && item.dataset.goto) open(item);
    else select(item.dataset.key, { focus: true, reveal: true });
  });
  side.addEventListener("click", (event) => {
    const to = event.target.closest("[data-goto], [data-toggle], [data-cell]");
    if (!to) return;
    event.preventDefault();
    if (to.dataset.goto) visit(Number(to.dataset.goto));
    else if (to.dataset.toggle != null) toggle(to.dataset.toggle);
    else cell(to.dataset.cell);
  });

  // From Python ----------------------------------------------------------------------------------
  const answer = (content) => {
    if (content.panel) {
      panels.set(content.panel, content.html);
      if (content.panel === selected) { clearTimeout(waiting); side.innerHTML = content.html; side.removeAttribute("aria-busy"); }
    } else if (content.export) download(content.name, content.text, content.type);
  };
  const picked = () => { if (model.get("selected") !== selected && items.some((i) => i.dataset.key === model.get("selected"))) select(model.get("selected"), { reveal: true, tell: false }); };
  model.on("change:picture", draw);
  model.on("change:selected", picked);
  model.on("msg:custom", answer);

  // First look: the whole graph where it stays readable, else its end, at a readable size ----------
  const smallest = () => (root.clientWidth < 720 ? 0.55 : 0.7);
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (!root.clientWidth || root.clientWidth === width) return;
    const first = !width;
    width = root.clientWidth;
    const narrow = width <= 720, room = narrow ? width : width - 337;
    const scale = Math.max(smallest(), Math.min(1, room / eye.natural()[0]));
    const least = narrow ? 240 : 460, most = narrow ? 480 : 620;
    root.style.setProperty("--tall", `${Math.round(Math.min(most, Math.max(least, eye.natural()[1] * scale + 16)))}px`);
    eye.refit(smallest());
    if (first) { const item = items.find((i) => i.dataset.key === selected); if (item) eye.reveal(frame(item)); }
  });
  selected = model.get("selected");
  draw();
  sizes.observe(root);
  return () => {
    sizes.disconnect(); clearTimeout(waiting);
    model.off("change:picture", draw); model.off("change:selected", picked); model.off("msg:custom", answer);
  };
}

// Nothing to draw: what will be here, or what went wrong and what to do.
function message(model, root, title) {
  const fill = () => {
    const inner = h("div", { class: "inner" }), badge = model.get("badge");
    inner.innerHTML = model.get("message");
    root.replaceChildren(h("header", { class: "bar" }, title, badge ? h("span", { class: "badge bad" }, badge) : null), inner);
  };
  fill();
  root.addEventListener("click", (event) => { if (event.target.closest("[data-do=example]")) model.send({ do: "example" }); });
  const changed = () => { if (model.get("state") === "graph") { const el = root.parentNode; root.remove(); render({ model, el }); } else fill(); };
  model.on("change:state", changed);
  return () => model.off("change:state", changed);
}


export default { render };
