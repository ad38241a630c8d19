// Types only: looked at by npm run check, never called.
import type { editlock, Lock } from "../src/index.js";

export async function requests(request: typeof editlock.request, signal: AbortSignal, ifAvailable: boolean): Promise<void> {
  // Without ifAvailable there is always a lock.
  await request("article/42", async (lock) => lock.headers());
  await request("article/42", { signal }, (lock) => lock.token());
  await request("article/42", { ifAvailable: false }, (lock): Lock => lock);
  // With it there may be none.
  await request("article/42", { ifAvailable: true }, (lock) => lock?.token());
  await request("article/42", { ifAvailable }, (lock: Lock | null) => lock === null);
  // @ts-expect-error it may be null
  await request("article/42", { ifAvailable: true }, (lock) => lock.token());
}
