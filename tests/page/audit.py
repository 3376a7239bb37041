"""What a page owes to those who do not see it, or not well: WCAG 2.2, level AA, as far as a program can tell."""

# Every text that is seen, with the ratio of its contrast (1.4.3) where that is too low.
CONTRAST = r"""
const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const colour = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return { rgb: [r / 255, g / 255, b / 255], a };
};
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const under = (element) => {
  for (let node = element; node; node = node.parentElement) {
    const { rgb, a } = colour(getComputedStyle(node).backgroundColor);
    if (a === 1) return rgb;
  }
  return [1, 1, 1];
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest(".hidden, script, noscript")) continue;
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const [light, dark] = [luminance(colour(style.color).rgb), luminance(under(element))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim()}`);
}
// What is written and drawn on the canvas, and edges that say something (1.4.11).
const root = getComputedStyle(document.documentElement);
const canvas = document.createElement("canvas").getContext("2d");
const named = (name) => {
  canvas.fillStyle = root.getPropertyValue(`--${name}`).trim();
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((value) => value / 255);
};
const tones = ["positive", "neutral", "negative", "other", "unsure"];
const pairs = [["ink", "panel", 4.5], ["quiet", "panel", 4.5], ["quiet", "card", 4.5], ["ink", "card", 4.5], ["wave", "panel", 3]];
for (const tone of tones) pairs.push([tone, `${tone}-soft`, 4.5], [tone, "panel", 4.5], [tone, "card", 4.5]);
for (const [front, back, least] of pairs) {
  const [light, dark] = [luminance(named(front)), luminance(named(back))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  if (ratio < least) low.push(`${ratio.toFixed(2)}: ${front} on ${back}`);
}
return low;
"""

# What is wrong with the page's structure.
STRUCTURE = r"""
const wrong = [];
const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`two elements have the id ${id}`);
for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")) {
  const names = `${node.getAttribute("aria-labelledby") ?? ""} ${node.getAttribute("aria-describedby") ?? ""} ${node.htmlFor ?? ""}`;
  for (const id of names.split(" ").filter(Boolean)) if (!document.getElementById(id)) wrong.push(`nothing has the id ${id}`);
}
if (!document.documentElement.lang) wrong.push("the page has no language");
if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) wrong.push("not one main and one h1");
const levels = [...document.querySelectorAll("h1, h2, h3, h4")].map((node) => Number(node.tagName[1]));
if (levels.some((level, n) => n > 0 && level > levels[n - 1] + 1)) wrong.push(`levels of headings: ${levels}`);
if (document.querySelector("[tabindex]:not([tabindex='0']):not([tabindex='-1'])")) wrong.push("an order of its own for the keyboard");
if (document.documentElement.scrollWidth > innerWidth) wrong.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
// A target is 24 pixels high, or alone (2.5.8).
for (const node of document.querySelectorAll("button, .button, select")) {
  const { height } = node.getBoundingClientRect();
  if (node.checkVisibility() && height < 24) wrong.push(`${node.textContent} is ${height} pixels high`);
}
for (const node of document.querySelectorAll("[style]")) {
  if ([...node.style].some((name) => !["transform", "flex-grow", "flex-shrink", "flex-basis"].includes(name))) wrong.push(`style on ${node.outerHTML}`);
}
return wrong;
"""

# What takes the keyboard's focus or tells a value has to have a name.
NAMED = {"button", "checkbox", "slider", "textbox", "link", "meter", "image", "img", "region", "combobox", "form"}


def problems(browser) -> list[str]:
    """All that is wrong with the page as it is now."""
    wrong = browser.execute_script(CONTRAST) + browser.execute_script(STRUCTURE)
    for node in browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]:
        role = node.get("role", {}).get("value")
        name = node.get("name", {}).get("value", "")
        if role in NAMED and not node.get("ignored") and not name.strip():
            wrong.append(f"a {role} without a name: {node.get('description')}")
    return wrong
