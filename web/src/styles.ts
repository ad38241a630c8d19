// The looks. Everything can be changed from outside by custom properties and parts; logical properties throughout,
// so that right-to-left pages need nothing of their own.

const css = `
:host { display: block; position: relative; }
:host([hidden]) { display: none; }
.root {
  --ink: var(--edit-lock-ink, #1c2330);
  --soft: var(--edit-lock-soft-ink, #586174);
  --paper: var(--edit-lock-paper, #ffffff);
  --line: var(--edit-lock-line, #dfe3ea);
  --accent: var(--edit-lock-accent, #2f5bd8);
  --on-accent: var(--edit-lock-on-accent, #ffffff);
  --good: var(--edit-lock-good, #14763a);
  --warn: var(--edit-lock-warn, #a24b05);
  --radius: var(--edit-lock-radius, 12px);
  --shade: 0 1px 2px rgb(16 24 40 / .06), 0 6px 20px -6px rgb(16 24 40 / .14);
  --avatar-ink: hsl(var(--hue, 220) 65% 28%);
  --avatar-paper: hsl(var(--hue, 220) 75% 90%);
}
.root[data-theme="dark"] {
  --ink: var(--edit-lock-ink, #edf0f6);
  --soft: var(--edit-lock-soft-ink, #a6afc0);
  --paper: var(--edit-lock-paper, #1d222c);
  --line: var(--edit-lock-line, #363d4b);
  --accent: var(--edit-lock-accent, #9db5ff);
  --on-accent: var(--edit-lock-on-accent, #121a33);
  --good: var(--edit-lock-good, #63d78f);
  --warn: var(--edit-lock-warn, #ffb066);
  --shade: 0 1px 2px rgb(0 0 0 / .5), 0 8px 24px -6px rgb(0 0 0 / .6);
  --avatar-ink: hsl(var(--hue, 220) 85% 88%);
  --avatar-paper: hsl(var(--hue, 220) 38% 32%);
}

.drawer {
  position: sticky; inset-block-start: var(--edit-lock-top, 8px); z-index: var(--edit-lock-layer, 5);
  display: grid; grid-template-rows: 0fr; visibility: hidden; opacity: 0;
  transition: grid-template-rows .28s cubic-bezier(.2,.8,.3,1), opacity .2s, visibility 0s .28s;
}
.drawer[data-open] {
  grid-template-rows: 1fr; visibility: visible; opacity: 1;
  transition: grid-template-rows .28s cubic-bezier(.2,.8,.3,1), opacity .2s;
}
.clip { min-block-size: 0; overflow: clip; overflow-clip-margin: 28px; }
.drawer:not([data-open]) .clip { overflow-clip-margin: 0px; }

.bar {
  --tone: var(--soft);
  container-type: inline-size;
  margin-block-end: var(--edit-lock-gap, 16px);
  color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius); box-shadow: var(--shade);
  font: var(--edit-lock-font, 400 15px/1.4 system-ui, sans-serif);
  text-align: start;
}
.bar:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.bar[data-tone="busy"] { --tone: var(--accent); }
.bar[data-tone="good"] { --tone: var(--good); border-color: color-mix(in srgb, var(--good) 40%, var(--line)); }
.bar[data-tone="warn"] { --tone: var(--warn); border-color: color-mix(in srgb, var(--warn) 45%, var(--line)); }
.row { display: flex; align-items: center; gap: 12px; padding: 11px 12px 11px 14px; }

.icon {
  flex: none; inline-size: 36px; block-size: 36px; border-radius: 50%; display: grid; place-items: center;
  color: var(--tone); background: color-mix(in srgb, var(--tone) 13%, transparent);
  font-weight: 650; font-size: 14px; letter-spacing: .01em; position: relative;
}
.icon[data-icon="person"] { color: var(--avatar-ink); background: var(--avatar-paper); }
.icon[data-icon="person"]::after {
  content: ""; position: absolute; inset-block-end: -1px; inset-inline-end: -1px; inline-size: 11px; block-size: 11px;
  box-sizing: border-box; border-radius: 50%; background: var(--edit-lock-present, #2fa35c); border: 2px solid var(--paper);
}
.icon svg { inline-size: 20px; block-size: 20px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.text { flex: 1; min-inline-size: 0; text-align: -webkit-match-parent; text-align: match-parent; }
.title, .detail { margin: 0; overflow-wrap: anywhere; text-wrap: pretty; unicode-bidi: plaintext; }
.title { font-weight: 620; }
.detail { color: var(--soft); font-size: .9em; margin-block-start: 1px; }
.detail span { font-variant-numeric: tabular-nums; }
.bar[data-tone="good"] .title { color: var(--good); }

.actions { display: flex; flex-wrap: wrap; gap: 8px; flex: none; justify-content: end; max-inline-size: 62%; }
.actions:empty { display: none; }
.button {
  font: inherit; font-size: .9em; font-weight: 560; line-height: 1.25; padding: 7px 13px; min-block-size: 36px;
  border-radius: calc(var(--radius) * .67); border: 1px solid var(--line); color: var(--ink); background: transparent;
  cursor: pointer; transition: background-color .12s, border-color .12s, filter .12s;
}
.button:hover { background: color-mix(in srgb, var(--ink) 6%, transparent); }
.button:active { background: color-mix(in srgb, var(--ink) 11%, transparent); }
.button.loud { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
.button.loud:hover { filter: brightness(1.08); }
.button.loud:active { filter: brightness(.95); }
.button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

@container (max-width: 540px) {
  .row { flex-wrap: wrap; align-items: start; }
  .text { min-inline-size: 60%; }
  .actions { flex: 1 0 100%; box-sizing: border-box; max-inline-size: none; padding-inline-start: 48px; justify-content: start; }
}
@container (max-width: 360px) {
  .actions { padding-inline-start: 0; }
  .button { flex: 1 1 auto; }
}
@media (pointer: coarse) { .button { min-block-size: 44px; } }

.content { transition: opacity .25s; }
.content[inert] { opacity: var(--edit-lock-dim, .6); cursor: default; }
.content[data-dim="not"] { opacity: 1; }
.content[data-dim="less"] { opacity: max(.75, var(--edit-lock-dim, .6)); }
.live { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (prefers-reduced-motion: reduce) { .drawer, .drawer[data-open], .content, .button { transition: none; } }
@media (forced-colors: active) {
  .icon { border: 1px solid; } .content[inert] { opacity: 1; color: GrayText; }
}
@media print { .drawer { display: none; } .content[inert] { opacity: 1; } }
`;

let sheet: CSSStyleSheet | null = null;

/** Gives a shadow root its looks, without a style element that a content policy could refuse. */
export function dress(root: ShadowRoot): void {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  root.adoptedStyleSheets = [sheet];
}

/** Whether the page behind an element is dark: what is really painted there counts, not what the system prefers. */
export function onDark(element: Element): boolean {
  for (let at: Element | null = element; at; at = at.parentElement ?? hostOf(at)) {
    const colour = getComputedStyle(at).backgroundColor;
    const scale = colour.startsWith("rgb") ? 1 : colour.startsWith("color(srgb") ? 255 : 0;
    const [red = 0, green = 0, blue = 0, alpha = 1] =
      (colour.match(/[\d.]+/g) ?? []).map((part, index) => Number(part) * (index < 3 ? scale : 1));
    if (scale && alpha > 0.5) return red * 0.299 + green * 0.587 + blue * 0.114 < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches
    && getComputedStyle(document.documentElement).colorScheme.includes("dark");
}

function hostOf(element: Element): Element | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}
