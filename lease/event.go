package lease

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// Kind says what an Event is.
type Kind int

// The kinds of events. The comment names the members of Event that they use beside Session.
const (
	Look    Kind = iota // time has passed (no session)
	Acquire             // Part, User, Name, NoWait, Move: asks for the lock
	Confirm             // Part, Fence: the page to which it was granted is there
	Release             // Part, Fence, Version: gives it back
	Cancel              // Part: does not want it any more
	Lapse               // Over: the session has been silent for its TTL, and is over; else this is late
	Resume              // the session came back
	End                 // Reason: the session is over, by a decision
	Changed             // Part, Fence, Version: content was saved; without Session, by the application
	Force               // Part, Fence, User, Name, Text: an administrator ends the hold with that fence (no session)
	kinds
)

var kindNames = [kinds]string{"look", "acquire", "confirm", "release", "cancel", "lapse", "resume", "end", "changed", "force"}

func (k Kind) String() string {
	if k < 0 || k >= kinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Event is what happens to a resource. Every event may come late, twice or after its session has gone:
// an event that no longer fits changes nothing.
type Event struct {
	Kind    Kind
	Session string
	User    string
	Name    string
	Part    string
	Fence   int64
	NoWait  bool
	Move    bool
	Version string
	Reason  Reason
	Text    string    // of a Force: why, in words
	Over    time.Time // by the clock of Step's now
}

// Reason says why a holding ended.
type Reason string

// The reasons.
const (
	Released    Reason = "released"
	Left        Reason = "left"
	HandedOver  Reason = "handed_over"
	Idle        Reason = "idle"
	Expired     Reason = "expired"
	Unconfirmed Reason = "unconfirmed"
	TakenOver   Reason = "taken_over"
	Forced      Reason = "forced"
	Revoked     Reason = "revoked"
	LoggedOut   Reason = "logged_out"
)

// Session is what this process knows of a session at the moment of a step.
type Session struct {
	User string
	Name string
	Over bool // its time is over or it is unknown: it is granted nothing, and what it asks is late
	Left bool // its page said bye and may still come back: it is granted nothing, but keeps what it has
	Here bool // it runs in this process: a grant to it needs no confirmation
}

// Answer is what the session of an event is told.
type Answer int

// The answers.
const (
	Done      Answer = iota // also for what changed nothing
	Granted                 // it holds: see its Hold
	Queued                  // it waits
	Locked                  // it did not want to wait, and somebody else holds
	Stale                   // the fence is not that of its hold, or the session is over or was left
	QueueFull               // too many wait
)

// Outcome is what a step did, beside the new state.
type Outcome struct {
	Answer Answer
	// Change is set if the holder changed: at most once in a step, so that a swap makes at most one
	// grant, whose fence is the revision of that swap.
	Change *Change
	// More says that the same event has to be stepped again after this change was stored.
	More bool
}

// Change is one change of holder: a holding that ended, one that began, or both. It is the history entry.
type Change struct {
	V       int       `json:"v"`
	At      time.Time `json:"at"` // wall time
	Ended   *Holding  `json:"ended,omitzero"`
	Granted *Holding  `json:"granted,omitzero"`
}

// Holding is one side of a Change.
type Holding struct {
	Part    string    `json:"part,omitzero"`
	Session string    `json:"session"`
	User    string    `json:"user"`
	Name    string    `json:"name,omitzero"`
	Fence   int64     `json:"fence,omitzero"` // 0 when stored for a grant: the revision of the entry
	Since   time.Time `json:"since"`
	Reason  Reason    `json:"reason,omitzero"` // why it ended
	Over    time.Time `json:"over,omitzero"`   // when it really ended; At is when that was recorded
	By      string    `json:"by,omitzero"`     // of a forced end: the user who did it
	ByName  string    `json:"by_name,omitzero"`
	Text    string    `json:"text,omitzero"` // and why, in words
}

// EncodeChange writes a history entry for the store.
func EncodeChange(c Change) ([]byte, error) {
	c.V = Version
	return json.Marshal(c, json.Deterministic(true))
}

// DecodeChange reads a history entry that was stored at revision rev.
func DecodeChange(data []byte, rev int64) (Change, error) {
	var c Change
	if err := json.Unmarshal(data, &c); err != nil {
		return Change{}, fmt.Errorf("lease: damaged history entry: %w", err)
	}
	if c.Granted != nil && c.Granted.Fence == 0 {
		c.Granted.Fence = rev
	}
	return c, nil
}
