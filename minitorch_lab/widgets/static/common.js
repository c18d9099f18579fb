// Helpers that every widget shares. Put in front of each widget's own module (no imports in a notebook's ESM).

// An element with attributes and children: h("button", {class: "primary", onclick: f}, "run").
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// A name for the radio buttons of one widget: each has its own copy of this script, so that no counter tells two apart.
const own = (word) => `lab-${word}-${Math.random().toString(36).slice(2)}`;

// A token as the browser computes it, for canvas: a custom property comes back as unresolved text.
function ink(token, root) {
  const probe = root.appendChild(document.createElement("i"));
  probe.style.color = `var(${token})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

// 4 significant digits, a real minus sign; scientific only beyond 1e-4 and 1e5.
function number(value) {
  if (value == null || Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-4 || size >= 1e5) ? value.toExponential(3) : value.toPrecision(4);
  return text.replace("-", "−");
}

// Keys pressed inside a widget are the widget's: Jupyter would take arrows and letters for its own commands, and "a"
// inserts a cell. It looks for this mark from the focused element up, and stops where a shortcut applies: ":focus".
function shield(root) {
  root.dataset.lmSuppressShortcuts = "true";
  root.addEventListener("focusin", (event) => { event.target.dataset.lmSuppressShortcuts = "true"; });
  root.addEventListener("keydown", (event) => event.stopPropagation());
}

// A text as a file to save.
function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// Calls `changed` when the page may have another theme; returns what ends that.
function onTheme(changed) {
  const watcher = new MutationObserver(changed);
  for (const node of [document.body, document.documentElement]) watcher.observe(node, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class", "style"] });
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", changed);
  return () => {
    watcher.disconnect();
    dark.removeEventListener("change", changed);
  };
}
