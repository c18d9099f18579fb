// Dialect linker. Programs and picture come from Python, each line and box with the numbers of its values; this file
// lights up what has a number in common.

const KEPT = "This page was saved as it is: for more, run the notebook.";

function render({ model, el }) {
  const values = model.get("values");
  let pinned = null;

  const root = h("section", { class: "lab graphic linker", "aria-label": `Linked programs: ${model.get("title")}` });
  shield(root);
  const lists = [];
  const card = (program) => {
    const list = h("ol", { class: "code", role: "listbox", "aria-label": program.title });
    list.innerHTML = program.lines;
    list.querySelector("[data-values]")?.setAttribute("tabindex", "0");
    lists.push(list);
    return h("article", {}, h("header", {}, h("h3", {}, program.title), h("span", { class: "muted small" }, program.words)), list);
  };
  const view = h("div", { class: "view" });
  const note = h("p", { class: "note small muted", hidden: true });
  const percent = h("output", { "aria-label": "Zoom" }, "100 %");
  const status = h("span", { "aria-live": "polite", "data-field": "status" });
  const programs = model.get("programs");
  root.append(
    h("header", { class: "bar" },
      h("h2", {}, h("span", { class: "muted" }, "link: "), `${programs.length} program${programs.length > 1 ? "s" : ""}`),
      h("span", { class: "join", role: "group", "aria-label": "Zoom" },
        h("button", { "aria-label": "Zoom out", onclick: () => eye.zoom(1 / 1.25) }, "−"), percent,
        h("button", { "aria-label": "Zoom in", onclick: () => eye.zoom(1.25) }, "+"),
        h("button", { onclick: () => eye.fit() }, "fit")),
      h("button", { onclick: () => model.send({ do: "export" }), "data-tip": "A page that works without a kernel." }, "save page")),
    h("div", { class: "body" }, h("div", { class: "cards" }, ...programs.map(card)), h("div", { class: "right" }, note, view)),
    h("footer", { class: "status" }, status, h("span", { class: "hint" }, "Hover or focus lights up the same values; Enter keeps them, Esc lets go.")));
  const eye = camera(view, (scale) => { percent.textContent = `${Math.round(100 * scale)} %`; });

  const picture = model.get("picture");
  view.innerHTML = picture.svg;
  note.textContent = picture.note || ""; note.hidden = !picture.note;
  const svg = view.querySelector("svg"), items = [...view.querySelectorAll(".node")];
  items.forEach((item, i) => { item.setAttribute("role", "button"); item.setAttribute("tabindex", i ? "-1" : "0"); });
  if (svg) eye.put(svg);
  const lines = lists.flatMap((list) => [...list.children]);

  // Light ----------------------------------------------------------------------------------------
  const of = (item) => numbers(item?.dataset.values);
  function light(item) {
    const on = of(item);
    for (const line of lines) line.classList.toggle("lit", overlap(of(line), on));
    for (const node of items) node.classList.toggle("lit", overlap(of(node), on));
    for (const edge of view.querySelectorAll(".edge")) edge.classList.toggle("near", on.has(Number(edge.dataset.tail.slice(1))) && on.has(Number(edge.dataset.head.slice(1))));
  }
  const target = (element) => element?.closest?.("[data-values]");
  const over = (element) => light(target(element) || pinned);
  function pin(item) {
    pinned = item;
    for (const other of root.querySelectorAll(".pinned")) { other.classList.remove("pinned"); if (other.matches("li")) other.setAttribute("aria-selected", "false"); }
    item?.classList.add("pinned");
    if (item?.matches("li")) item.setAttribute("aria-selected", "true");
    light(item);
    for (const list of lists) { const first = list.querySelector(".lit"); if (first && !list.contains(item)) bring(list, first); }
    const lit = items.find((i) => i.classList.contains("lit"));
    if (lit && !view.contains(item)) eye.reveal(frame(lit));
  }
  function say(item) {
    if (!item) { status.textContent = ""; return; }
    if (item.matches(".node")) { status.textContent = `${item.getAttribute("aria-label")}.`; return; }
    const on = of(item);
    const there = lists.flatMap((list) => {
      const found = [...list.children].filter((line) => line !== item && overlap(of(line), on)).map((line) => line.dataset.at);
      return found.length ? [`${list.getAttribute("aria-label")} line ${found.join(", ")}`] : [];
    });
    const what = [...on].map((n) => values[n - 1].split(" ").slice(0, 2).join(" ")).join(", ");
    status.textContent = `line ${item.dataset.at}: ${what}. ${there.length ? `The same in ${there.join("; ")}.` : "In no other program."}`;
  }

  // Pointer and keys -----------------------------------------------------------------------------
  root.addEventListener("pointerover", (event) => over(event.target));
  root.addEventListener("pointerleave", () => light(pinned));
  root.addEventListener("focusin", (event) => { over(event.target); if (target(event.target)) say(target(event.target)); });
  const dragged = pans(view, eye);
  root.addEventListener("click", (event) => {
    const item = target(event.target);
    if (!item || (view.contains(item) && dragged())) return;
    rove(item);
    pin(item);
    say(item);
  });
  function rove(item) {
    const group = item.matches(".node") ? items : [...item.parentNode.children];
    for (const other of group) if (other.dataset.values != null) other.setAttribute("tabindex", other === item ? "0" : "-1");
    item.focus({ preventScroll: true });
    if (item.matches(".node")) eye.reveal(frame(item)); else bring(item.parentNode, item);
  }
  root.addEventListener("keydown", (event) => {
    const item = event.target.closest(".node, [role=option]");
    if (event.key === "Escape") { pin(null); status.textContent = "Nothing is lit."; }
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = WAYS[event.key], known = item.matches(".node") ? items : [...item.parentNode.children].filter((line) => line.dataset.values != null);
    const at = known.indexOf(item);
    const list = { ArrowDown: known[at + 1], ArrowUp: known[at - 1], Home: known[0], End: known[known.length - 1] }[event.key];
    const to = item.matches(".node") ? step && nearest(items, item, step) : list;
    if (to) rove(to);
    else if (event.key === "Enter" || event.key === " ") { pin(item); say(item); }
    else if (item.matches(".node") && (event.key === "f" || event.key === "F")) eye.fit();
    else if (!step) return;
    event.preventDefault();
  });
  const answer = (content) => { 
    if (content.export) download(content.export, content.text, "text/html");
    else if (content.unknown) status.textContent = KEPT;
  };
  model.on("msg:custom", answer);

  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (!svg || !root.clientWidth || root.clientWidth === width) return;
    width = root.clientWidth;
    eye.refit(width <= 720 ? 0.5 : 0.55);
  });
  el.append(root);
  sizes.observe(root);
  return () => { sizes.disconnect(); model.off("msg:custom", answer); };
}


export default { render };
