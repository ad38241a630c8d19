import { notice, type Situation } from "../src/notice.js";
import type { LockSnapshot } from "../src/snapshot.js";
import { equal, test } from "./harness.js";

const calm: Situation = { start: "open", trouble: null, dirty: false, draft: null, arrived: null, saving: false, overdue: false };
const base: LockSnapshot = {
  resource: "a", state: "watching", editable: false, online: true, holder: null, position: null, waiting: 0,
  since: null, version: null, fence: null, lost: null, error: null,
};
const ana = { id: "1", name: "Ana", since: 0, you: false, yours: false };

function says(snapshot: Partial<LockSnapshot>, situation: Partial<Situation> = {}): string {
  const shown = notice({ ...base, ...snapshot }, { ...calm, ...situation });
  return shown ? `${shown.tone} ${shown.title} [${shown.details.join()}] (${shown.actions.join()})` : "nothing";
}

const rows: [string, Partial<LockSnapshot>, Partial<Situation>, string][] = [
  ["first in line", { state: "waiting", holder: ana, position: 1 }, {}, "busy editing [since,next] (stop)"],
  ["further back", { state: "waiting", holder: ana, position: 3 }, {}, "busy editing [since,place] (stop)"],
  ["own other tab", { state: "waiting", holder: { ...ana, yours: true }, position: 1 }, {}, "calm yours [yoursDetail] (move,stop)"],
  ["just reading", { holder: ana }, {}, "calm editing [since,reading] (wait)"],
  ["may not", { error: { code: "forbidden", message: "" } }, {}, "calm forbidden [] ()"],
  ["a name that is none", { error: { code: "bad_resource", message: "no" } }, {}, "warn mistake [mistakeDetail] ()"],
  ["refused", { error: { code: "quota", message: "no" } }, {}, "warn failed [] (retry)"],
  ["free to type", {}, { start: "edit" }, "nothing"],
  ["free", {}, { start: "manual" }, "calm free [freeDetail] (edit)"],
  ["own turn", { state: "held", editable: true }, {}, "nothing"],
  ["turn after waiting", { state: "held", editable: true }, { arrived: "fresh" }, "good turn [turnDetail] ()"],
  ["turn after waiting, text put back", { state: "held", editable: true }, { arrived: "typed" }, "good turn [turnText] ()"],
  ["others wait", { state: "held", editable: true, waiting: 2 }, {}, "calm others [] ()"],
  ["cut off", { state: "unsure", editable: true }, {}, "warn unsure [unsureDetail] ()"],
  ["cut off while saving", { state: "unsure", editable: true }, { saving: true }, "warn unsure [saveLater] ()"],
  ["logged out", { state: "unsure", editable: true }, { trouble: { code: "unauthenticated", message: "" } }, "warn login [loginDetail] (retry)"],
  ["cut off for longer than the lease", { state: "unsure", editable: true }, { saving: true, overdue: true }, "warn unsure [unsureOver] ()"],
  ["no token from the start", { state: "connecting", online: false }, { trouble: { code: "token_unavailable", message: "" } },
    "warn noToken [unreachableDetail] (retry)"],
  ["token refused", { state: "connecting", online: false }, { trouble: { code: "token_refused", message: "" } },
    "warn badToken [unreachableDetail] (retry)"],
  ["server away", { state: "connecting", online: false }, { trouble: { code: "unavailable", message: "" } },
    "warn unreachable [unreachableDetail] (retry)"],
  ["back from sleep", { state: "unsure" }, {}, "calm checking [] ()"],
  ["taken over, text typed", { state: "lost", holder: ana, lost: { fence: 1, reason: "taken_over", at: null } }, { dirty: true },
    "warn lostTaken [nowEditing,textHere] (wait,copy)"],
  ["moved", { state: "lost", holder: { ...ana, yours: true }, lost: { fence: 1, reason: "handed_over", at: null } }, {}, "warn lostMoved [] (move)"],
  ["another tab goes on with the session", { state: "lost", holder: { ...ana, yours: true }, lost: { fence: 1, reason: null, at: null } }, { dirty: true },
    "warn lostMoved [textHere] (move,copy)"],
  ["over, and nobody knows why", { state: "lost", lost: { fence: 1, reason: null, at: null } }, {}, "warn lostUnknown [] (edit)"],
  ["over and free", { state: "lost", lost: { fence: 1, reason: "expired", at: null } }, {}, "warn lostExpired [] (edit)"],
  ["waiting with text kept", { state: "waiting", holder: ana, position: 1 }, { draft: "one" }, "busy editing [since,next,draft] (stop,copy)"],
  ["in again with text kept", { state: "held" }, { draft: "one" }, "warn draft [draftDetail] (restore,copy,dismiss)"],
  ["two texts of a field", { state: "held" }, { draft: "several" }, "warn draft [draftSeveral] (restore,copy,dismiss)"],
  ["text of no field", { state: "held" }, { draft: "homeless" }, "warn draft [draftHomeless] (copy,dismiss)"],
];

for (const [name, snapshot, situation, want] of rows) {
  test(`notice: ${name}`, () => equal(says(snapshot, situation), want));
}
