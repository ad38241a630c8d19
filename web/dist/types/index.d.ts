/*! editlock, Apache-2.0 */
export { editlock, type Configuration, type RequestOptions } from "./api.js";
export type { Auth } from "./access.js";
export type { Grant, Refresh } from "./core.js";
export { EditLockElement, type RefreshDetail } from "./element.js";
export type { AcquireOptions, Lock, OpenOptions } from "./handle.js";
export { EditlockError } from "./link.js";
export type { LockError, Lost } from "./lock.js";
export type { Messages } from "./messages.js";
export type { EntriesListener, Entry } from "./prefixes.js";
export type { Reason } from "./protocol.js";
export type { Holder, LockSnapshot, LockStatus } from "./snapshot.js";
