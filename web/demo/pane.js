// In the page of a pane: says to the demo around it what the page believes, and does what a person at this page could
// do, or the page itself by mistake. Outside of a pane it does nothing.
(() => {
  "use strict";
  if (window.parent === window) return;
  const sockets = new Set();
  window.WebSocket = class extends WebSocket {
    constructor(...args) {
      super(...args);
      sockets.add(this);
      this.addEventListener("close", () => sockets.delete(this));
    }
  };

  // Begun anew: what an earlier page kept of its text is forgotten, and a reload does not forget again.
  const url = new URL(location.href);
  if (url.searchParams.has("fresh")) {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith("editlock draft ")) sessionStorage.removeItem(key);
    url.searchParams.delete("fresh");
    history.replaceState(null, "", url);
  }

  const say = message => window.parent.postMessage({pane: true, ...message}, "*");
  const phase = () => say({phase: window.app?.phase ?? "connecting", position: window.app?.position ?? 0});
  let held; // a save that is under way, and not yet on the wire

  const commands = {
    reload: () => location.reload(),
    malformed: async () => {
      // Just after a message like this one, or a kill, the page is about to come back.
      const end = Date.now() + 6000;
      for (;;) {
        const open = [...sockets].filter(socket => socket.readyState === WebSocket.OPEN);
        open.forEach(socket => socket.send("{ this is no message"));
        if (open.length) return;
        if (["lost", "reading"].includes(window.app?.phase) || Date.now() > end) throw "the page has no connection on which it could send anything";
        await new Promise(resolve => setTimeout(resolve, 50));
      }
    },
    enter: () => window.app.enter(),
    leave: () => window.app.leave(),
    write: text => { window.app.text += text; },
    save: () => window.app.save(),
    hold: async () => { held = await window.app.prepare(); },
    send: () => window.app.save(held),
  };

  document.addEventListener("phase", phase);
  window.addEventListener("pageshow", phase);
  window.addEventListener("pagehide", () => say({phase: "lost"}));
  window.addEventListener("message", async event => {
    if (event.source !== window.parent || new URL(event.origin).hostname !== location.hostname) return;
    const {command, id, text} = event.data;
    if (!Object.hasOwn(commands, command)) return;
    try {
      say({id, value: await commands[command](text)});
    } catch (error) {
      say({id, error: String(error)});
    }
  });
})();
