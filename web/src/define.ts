// Registers <edit-lock>, and gives scripts that are no modules `window.editlock`. Without a document it does nothing.
import { editlock, EditLockElement } from "./index.js";

declare global {
  interface HTMLElementTagNameMap {
    "edit-lock": EditLockElement;
  }
  interface Window {
    editlock: typeof editlock;
  }
}

if (globalThis.customElements && !customElements.get("edit-lock")) {
  window.editlock = editlock;
  customElements.define("edit-lock", EditLockElement);
}

export * from "./index.js";
