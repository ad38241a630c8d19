// A test runner of a few lines: the page collects results, the Go test reads them.

export interface Result {
  readonly name: string;
  readonly error: string | null;
}

const tests: { name: string; run: () => void | Promise<void> }[] = [];

export function test(name: string, run: () => void | Promise<void>): void {
  tests.push({ name, run });
}

export function equal(got: unknown, want: unknown, what = "value"): void {
  const [a, b] = [canonical(got), canonical(want)];
  if (a !== b) throw new Error(`${what}: got ${a}, want ${b}`);
}

/** Whether every member of `part` is in `whole`, however deep. */
export function contains(whole: unknown, part: unknown, what: string): void {
  if (typeof part !== "object" || part === null) return equal(whole, part, what);
  if (typeof whole !== "object" || whole === null) throw new Error(`${what}: got ${canonical(whole)}`);
  for (const [key, value] of Object.entries(part)) {
    contains((whole as Record<string, unknown>)[key], value, `${what}.${key}`);
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === "object" && v !== null && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v) ?? "undefined";
}

export async function run(): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, run } of tests) {
    let error: string | null = null;
    try {
      await run();
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    results.push({ name, error });
  }
  return results;
}
