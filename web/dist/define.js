// src/define.ts
import { editlock, EditLockElement } from "./index.js";
export * from "./index.js";
if (globalThis.customElements && !customElements.get("edit-lock")) {
  window.editlock = editlock;
  customElements.define("edit-lock", EditLockElement);
}
