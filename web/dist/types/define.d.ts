import { editlock, EditLockElement } from "./index.js";
declare global {
    interface HTMLElementTagNameMap {
        "edit-lock": EditLockElement;
    }
    interface Window {
        editlock: typeof editlock;
    }
}
export * from "./index.js";
