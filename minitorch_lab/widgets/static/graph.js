// What the widgets with a graph share: a window on the picture, and the ways to move it.

// The picture in its scrolling window. Scrolling is the browser's own, so that touch, wheel, keys and "scroll into
// view" of any tool work; `scale` is pixels on screen per pixel drawn.
function camera(view, onzoom) {
  let svg = null, scale = 1, fitted = true, natural = [1, 1];
  const limit = (s) => Math.min(3, Math.max(0.08, s));
  const at = (px, py) => { // where a point of the picture is in the window
    const r = svg.getBoundingClientRect(), v = view.getBoundingClientRect();
    return [r.left - v.left + px * scale, r.top - v.top + py * scale];
  };
  function size(next) {
    scale = limit(next);
    svg.style.width = `${natural[0] * scale}px`; svg.style.height = `${natural[1] * scale}px`;
    onzoom(scale);
  }
  const hold = (px, py, [sx, sy]) => { const [x, y] = at(px, py); view.scrollBy(x - sx, y - sy); };
  return {
    put(element) {
      svg = element;
      natural = [svg.width.baseVal.value, svg.height.baseVal.value];
      size(scale);
    },
    natural: () => natural,
    fit(smallest = 0) {
      fitted = true;
      const across = Math.min(1, (view.clientWidth - 8) / natural[0]);
      const whole = Math.min(across, (view.clientHeight - 8) / natural[1]);
      size(whole < smallest ? Math.max(smallest, across) : whole);
    },
    zoom(factor, sx = view.clientWidth / 2, sy = view.clientHeight / 2) {
      const [x, y] = at(0, 0), px = (sx - x) / scale, py = (sy - y) / scale;
      fitted = false;
      size(scale * factor);
      hold(px, py, [sx, sy]);
    },
    pan: (dx, dy) => view.scrollBy(-dx, -dy),
    refit(smallest) { if (fitted) this.fit(smallest); },
    at, hold,
    reveal(box, air = 16) { // scroll just so far that a box is in sight
      const [x, y] = at(box.x, box.y), w = box.width * scale, h = box.height * scale;
      const way = (from, length, room) => (from < air || length + 2 * air > room ? from - air : Math.max(0, from + length + air - room));
      view.scrollBy(way(x, w, view.clientWidth), way(y, h, view.clientHeight));
    },
  };
}

const frame = (item) => item.querySelector(".body, .grip").getBBox();
const middle = (item) => { const b = frame(item); return item.matches(".title") ? [b.x + 40, b.y + 10] : [b.x + b.width / 2, b.y + b.height / 2]; };

// The way that an arrow key points, and the item that lies nearest in that direction.
const WAYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
function nearest(items, item, [dx, dy]) {
  const [x, y] = middle(item);
  let best = null, least = Infinity;
  for (const other of items) {
    const [u, v] = middle(other), along = (u - x) * dx + (v - y) * dy, off = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
    if (other !== item && along > 4 && along + 2 * off < least) [best, least] = [other, along + 2 * off];
  }
  return best;
}

// Scroll a list so far that a row of it is in sight, and never the page around it.
function bring(list, row) {
  const a = list.getBoundingClientRect(), b = row.getBoundingClientRect();
  if (b.top < a.top || b.bottom > a.bottom) list.scrollTop += b.top - a.top - 24;
}

// The numbers in a data attribute: "3 5".
const numbers = (text) => new Set((text || "").split(" ").filter(Boolean).map(Number));
const overlap = (a, b) => [...a].some((x) => b.has(x));

// Drag pans, wheel with Ctrl zooms. Gives a function that says whether the last press was a drag, and so no click.
function pans(view, eye) {
  let from = null, dragged = false;
  view.addEventListener("pointerdown", (event) => { if (event.button === 0) { from = [event.clientX, event.clientY]; dragged = false; } });
  view.addEventListener("pointermove", (event) => {
    if (!from || !(event.buttons & 1)) return;
    const dx = event.clientX - from[0], dy = event.clientY - from[1];
    if (!dragged && Math.hypot(dx, dy) < 4) return;
    if (!dragged) { dragged = true; view.classList.add("drag"); view.setPointerCapture(event.pointerId); }
    eye.pan(dx, dy);
    from = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, () => { from = null; view.classList.remove("drag"); });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    const box = view.getBoundingClientRect();
    eye.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  return () => dragged;
}

// A panel's markup in its place; what scrolls sideways in it can be reached by the Tab key.
function fill(side, html) {
  side.innerHTML = html;
  for (const part of side.querySelectorAll(".scroll, .rule dd")) if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
}

// "cell 7": scroll to the notebook cell with that prompt. False where it is not on this page: a saved page has no cells,
// and VS Code keeps outputs in a page of their own.
function cell(name) {
  const number = /^cell (\d+)$/.exec(name);
  const prompt = number && [...document.querySelectorAll(".jp-InputPrompt, .prompt")].find((p) => p.textContent.includes(`[${number[1]}]`));
  if (prompt) prompt.scrollIntoView({ block: "center" });
  return Boolean(prompt);
}

// Nothing to draw: what will be here, or what went wrong and what to do.
function message(model, root, title) {
  const say = () => {
    const inner = h("div", { class: "inner" }), badge = model.get("badge");
    inner.innerHTML = model.get("message");
    root.replaceChildren(h("header", { class: "bar" }, title, badge ? h("span", { class: "badge bad" }, badge) : null), inner);
  };
  say();
  root.addEventListener("click", (event) => { if (event.target.closest("[data-do=example]")) model.send({ do: "example" }); });
  const changed = () => { if (model.get("state") !== "message") { const el = root.parentNode; root.remove(); render({ model, el }); } else say(); };
  model.on("change:state", changed);
  return () => model.off("change:state", changed);
}
