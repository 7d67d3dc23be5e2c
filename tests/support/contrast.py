"""The contrast of the texts on a page with their background (WCAG 2.2, contrast ratio)."""

from __future__ import annotations

from playwright.sync_api import Page

ENOUGH = 4.5
# Disabled elements are exempt (WCAG 1.4.3), and so are the last figures of a dead stage.
_LEFT_OUT = (
    ":disabled, .visually-hidden, .js-plotly-plot *, .card.dead :is(.numbers, .meter, .delay) *, .card.dead .delay"
)
_FIND = """([enough, leftOut, examples]) => {
    const brush = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        brush.clearRect(0, 0, 1, 1);
        brush.fillStyle = colour;
        brush.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], ground) => [r, g, b].map((part, i) => a * part + (1 - a) * ground[i]);
    const groundOf = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) {
            layers.push(rgba(getComputedStyle(e).backgroundColor));
            if (layers.at(-1)[3] === 1) break;
        }
        return layers.reverse().reduce((ground, layer) => over(layer, ground), [255, 255, 255]);
    };
    const luminance = (colour) => {
        const [r, g, b] = colour.map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = new Map();
    for (const element of document.querySelectorAll("body *")) {
        const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
        const text = texts.map((node) => node.data.trim()).join(" ");
        const isEmptyBox = element.matches("input[placeholder]") && !element.value;
        if (!(examples ? isEmptyBox : text.trim()) || element.matches(leftOut) || !element.checkVisibility()) continue;
        const style = getComputedStyle(element, isEmptyBox ? "::placeholder" : null);
        const ground = groundOf(element);
        const colour = over(rgba(element.closest("svg") ? style.fill : style.color), ground);
        const [light, dark] = [luminance(colour), luminance(ground)].sort((a, b) => b - a);
        const ratio = (light + 0.05) / (dark + 0.05);
        const kinds = [...element.classList].map((kind) => `.${kind}`).join("");
        const name = element.tagName.toLowerCase() + kinds + (isEmptyBox ? "::placeholder" : "");
        if (ratio < enough && !found.has(name)) found.set(name, `${name} ${ratio.toFixed(2)}`);
    }
    return [...found.values()];
}"""


def faint_texts(page: Page) -> set[str]:
    """Return the texts that are too faint, each as its element and ratio."""
    return set(page.evaluate(_FIND, [ENOUGH, _LEFT_OUT, False]))


def faint_examples(page: Page) -> set[str]:
    """Return the boxes whose placeholder is too faint."""
    return set(page.evaluate(_FIND, [ENOUGH, _LEFT_OUT, True]))
