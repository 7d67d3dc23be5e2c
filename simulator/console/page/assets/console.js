// The client's side of the page: the theme, when to ask for news, and applying them.
// The server computes every text; this script only puts it into its element.

(function () {
  "use strict";

  const THEME = "simulator-theme";
  const QUIET_SECONDS = 8;
  const PATIENCE_SECONDS = 10;
  const SVG = "http://www.w3.org/2000/svg";
  const stored = (() => { try { return localStorage.getItem(THEME); } catch { return null; } })();
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;

  function dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  // Once it has rows, a list does not move under the pointer or the focus: it is neither requested then, nor is an
  // answer applied that was on its way.
  function held(id) {
    const list = document.getElementById(id);
    if (!list || !list.firstElementChild || list.querySelector(".empty")) return false;
    return list.matches(":hover") || list.contains(document.activeElement);
  }

  // The first tick counts immediately, so that a view that was just opened does not stay empty.
  function every(so_many, count, before, list) {
    if (before === undefined || before === null) return count || 0;
    return document.hidden || count % so_many || (list && held(list)) ? nothing() : count;
  }

  function put(entries, write) {
    for (const [id, value] of Object.entries(entries || {})) {
      const element = document.getElementById(id);
      if (element) write(element, value);
    }
  }

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function setWidth(element, width) {
    if (element.style.width !== width) element.style.width = width;
  }

  // Setting an attribute redraws the element even if nothing changes, and a large picture has hundreds of lines.
  function setAttributes(element, wanted) {
    for (const [name, value] of Object.entries(wanted)) {
      if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
    }
  }

  function part(parent, kind, name, id) {
    const element = parent.appendChild(document.createElement(kind));
    if (name) element.className = name;
    if (id) element.id = id;
    return element;
  }

  // What a brief card shows, still without its texts.
  function fillCard(card) {
    part(part(card, "div", "card-head"), "span", "name", `${card.id}-name`);
    const numbers = part(card, "div", "numbers");
    for (const field of ["rate", "p99"]) part(part(numbers, "div", field), "b", "", `${card.id}-${field}`);
    part(card, "div", "state", `${card.id}-state`);
  }

  function drawEdges(box, edges) {
    let svg = box.querySelector("svg");
    if (!svg) {
      svg = box.appendChild(document.createElementNS(SVG, "svg"));
      svg.setAttribute("width", "100%");
      svg.setAttribute("height", "100%");
    }
    // Looked up here: a search of the document for each line would take time with the square of their number.
    const groups = new Map(Array.from(svg.children, (group) => [group.dataset.edge, group]));
    for (const edge of edges) {
      let group = groups.get(edge.id);
      if (!group) {
        group = svg.appendChild(document.createElementNS(SVG, "g"));
        group.dataset.edge = edge.id;
        group.dataset.ends = edge.ends;
        group.appendChild(document.createElementNS(SVG, "path"));
        group.appendChild(document.createElementNS(SVG, "text"));
      }
      const [path, label] = group.children;
      setAttributes(path, { d: edge.d, class: edge.kind, "stroke-width": edge.width });
      setAttributes(label, { x: edge.x, y: edge.y, class: edge.kind });
      setText(label, edge.label);
    }
  }

  function focusSoon(id, frames) {
    const element = document.getElementById(id);
    if (element) element.focus();
    else if (frames) requestAnimationFrame(() => focusSoon(id, frames - 1));
  }

  // Dash drops an answer if the page has asked again meanwhile. So the page asks again only when the answer is there,
  // or can't come any more: on a busy machine it would never show one.
  let askedAt = 0;
  function ask(before, answered) {
    if (document.hidden) return nothing();
    if (before && answered !== before && Date.now() - askedAt < 1000 * PATIENCE_SECONDS) return nothing();
    askedAt = Date.now();
    return (before || 0) + 1;
  }

  // Figures come at least every few seconds: if none come, the shown ones are stale.
  let toldAt = Date.now();
  addEventListener("visibilitychange", () => { toldAt = Date.now(); });
  setInterval(() => {
    const place = document.getElementById("status-stale");
    if (!place || document.hidden) return;
    const seconds = Math.round((Date.now() - toldAt) / 1000);
    setText(place, seconds > QUIET_SECONDS ? `no news for ${seconds} s: the run may have ended` : "");
  }, 1000);

  const nothing = () => window.dash_clientside.no_update;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    console: {
      tick: (count, before, answered) => ask(before, answered),
      list_tick: (count, before) => every(2, count, before, "trace-list"),
      lines_tick: (count, before) => every(4, count, before, "stage-lines"),
      reported_tick: (count, before) => every(4, count, before, "reported"),
      trace_tick: (count, before) => every(2, count, before),
      once: (shown, before) => (shown && !before ? true : nothing()),
      charts_tick: (count, before) => every(4, count, before),
      show_rows: (found, asked) => {
        const same = found && asked && found.asked.search === asked.search;
        return !found || (same && held("trace-list")) ? [nothing(), nothing()] : [found.rows, found.asked];
      },
      show_lines: (lines, list) => (!lines || held(list || "stage-lines") ? nothing() : lines),
      // The address of a search can be saved and shared; the view stays as it is.
      note_search: (asked) => {
        if (asked && location.pathname === "/traces") history.replaceState(history.state, "", `/traces${asked.search}`);
        return nothing();
      },
      theme: (clicks) => {
        if (clicks) {
          const theme = dark() ? "light" : "dark";
          document.documentElement.dataset.theme = theme;
          try { localStorage.setItem(THEME, theme); } catch { /* it lasts until the page is closed */ }
        }
        return nothing();
      },
      show: (news) => {
        if (!news) return nothing();
        toldAt = Date.now();
        document.querySelectorAll("#canvas > .card:empty").forEach(fillCard);
        put(news.texts, setText);
        put(news.kinds, (element, kind) => { if (element.className !== kind) element.className = kind; });
        put(news.widths, (element, percent) => setWidth(element, `${percent}%`));
        put(news.titles, (element, text) => { if (element.title !== text) element.title = text; });
        const box = document.getElementById("edges");
        if (box && news.edges && box.dataset.drawing === news.drawing) drawEdges(box, news.edges);
        document.dispatchEvent(new Event("simulator-picture"));
        return news.version;
      },
    },
  });

  addEventListener("keydown", (event) => {
    if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const link = { 1: "view-system", 2: "view-traces", 3: "view-stages", 4: "view-controls" }[event.key];
    if (link) document.getElementById(link)?.click();
    if (event.key === "/") {
      event.preventDefault();
      if (!document.getElementById("search-text")) document.getElementById("view-traces")?.click();
      focusSoon("search-text", 60);
    }
  });
})();
