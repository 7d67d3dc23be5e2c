// The picture of the system, moved and scaled. It is in a box that scrolls, so that the keyboard, a finger, and the
// focus on a card move it like any page; this script only adds its scale, and dragging by mouse.

(function () {
  "use strict";

  const STEP = 1.25, LARGEST = 2, SMALLEST = 0.1;
  // On a small screen a whole system would be too small for a finger: there it is larger at first, and can be moved.
  const NARROW = 700, SMALLEST_NARROW = 0.6;
  const DRAG_FROM = 4;
  let chosen = null;  // a scale; null means that all of it is shown
  let drag = null;

  const part = (id) => document.getElementById(id);
  const bounded = (scale, smallest) => Math.min(LARGEST, Math.max(smallest, scale));

  // The scale that fits, but at most 1.
  function fitting(scene, canvas) {
    const style = getComputedStyle(scene);
    const across = scene.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const down = parseFloat(style.maxHeight) - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom) - 2;
    const smallest = innerWidth < NARROW ? SMALLEST_NARROW : SMALLEST;
    return Math.min(1, Math.max(smallest, Math.min(across / canvas.offsetWidth, down / canvas.offsetHeight)));
  }

  function current(canvas) {
    return Number(canvas.dataset.scale) || 1;
  }

  // Scale it so that a point of the scene (its middle by default) stays in place.
  function show(point) {
    const canvas = part("canvas");
    if (!canvas) return;
    const scene = canvas.closest(".scene"), wrap = canvas.parentElement, before = current(canvas);
    const scale = chosen === null ? fitting(scene, canvas) : chosen;
    const frame = scene.getBoundingClientRect(), at = point || { x: frame.left + scene.clientWidth / 2, y: frame.top + scene.clientHeight / 2 };
    const box = canvas.getBoundingClientRect(), [x, y] = [(at.x - box.left) / before, (at.y - box.top) / before];
    canvas.style.transform = `scale(${scale})`;
    canvas.dataset.scale = scale;
    wrap.style.width = `${Math.floor(canvas.offsetWidth * scale)}px`;
    wrap.style.height = `${Math.floor(canvas.offsetHeight * scale)}px`;
    if (scale !== before) {
      const now = canvas.getBoundingClientRect();
      scene.scrollLeft += now.left + x * scale - at.x;
      scene.scrollTop += now.top + y * scale - at.y;
    }
    const text = part("zoom-scale");
    const percent = `${Math.round(100 * scale)} %`;
    if (text && text.textContent !== percent) text.textContent = percent;
    scene.classList.toggle("movable", scene.scrollWidth > scene.clientWidth || scene.scrollHeight > scene.clientHeight);
  }

  function zoom(factor, point) {
    const canvas = part("canvas");
    if (!canvas) return;
    const whole = fitting(canvas.closest(".scene"), canvas);
    chosen = bounded(current(canvas) * factor, Math.min(whole, 1 / LARGEST));
    show(point);
  }

  function fit() {
    chosen = null;
    show();
  }

  const actions = { "zoom-in": () => zoom(STEP), "zoom-out": () => zoom(1 / STEP), "zoom-fit": fit };
  const keys = { "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit" };

  // The lines of the card under the pointer, or with the focus, are highlighted.
  function trace(event) {
    const card = event.target.closest?.("#canvas > .card"), svg = document.querySelector("#edges svg");
    if (!svg) return;
    svg.classList.toggle("traced", Boolean(card));
    for (const group of svg.children) {
      group.classList.toggle("near", Boolean(card) && group.dataset.ends.split(" ").includes(card.id));
    }
  }
  document.addEventListener("pointerover", trace);
  document.addEventListener("focusin", trace);

  document.addEventListener("simulator-picture", () => show());
  addEventListener("resize", () => show());

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".zoom button");
    if (button) actions[button.id]?.();
  });

  addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key] && part("canvas")) {
      event.preventDefault();
      actions[keys[event.key]]();
    }
  });

  // A wheel alone moves the picture, or the page; with Ctrl, as two fingers on a touchpad send it, it scales.
  document.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    if (!event.target.closest?.(".scene")) return;
    event.preventDefault();
    zoom(Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) / 300), { x: event.clientX, y: event.clientY });
  }, { passive: false });

  document.addEventListener("pointerdown", (event) => {
    const scene = event.target.closest?.(".scene");
    if (!scene || event.button !== 0 || event.pointerType !== "mouse") return;
    const frame = scene.getBoundingClientRect();
    if (event.clientX - frame.left > scene.clientWidth || event.clientY - frame.top > scene.clientHeight) return;  // a scroll bar
    drag = { scene, x: event.clientX, y: event.clientY, left: scene.scrollLeft, top: scene.scrollTop, moved: false };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!(event.buttons & 1)) { stop(); return; }
    const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(x, y) < DRAG_FROM) return;
    drag.moved = true;
    drag.scene.classList.add("moving");
    drag.scene.scrollLeft = drag.left - x;
    drag.scene.scrollTop = drag.top - y;
  });
  addEventListener("pointerup", stop);
  function stop() {
    if (!drag) return;
    drag.scene.classList.remove("moving");
    // The click that ends a drag does not open a card.

    if (drag.moved) {
      const swallow = (event) => { event.preventDefault(); event.stopPropagation(); };
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    }
    drag = null;
  }
  // A card is a link, which a browser would drag away.
  document.addEventListener("dragstart", (event) => { if (event.target.closest?.(".scene")) event.preventDefault(); });
})();
