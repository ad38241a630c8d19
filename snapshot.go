package editlock

import "time"

// State says whether a resource is free.
type State string

// The states of a resource.
const (
	Free   State = "free"   // nobody holds it
	Held   State = "held"   // one session holds it, and nobody else gets it
	Lapsed State = "lapsed" // its holder's time is over and nobody has asked: anyone may acquire, the same session may take it back
)

// MineState says where a session stands with a resource.
type MineState string

// Where a session can stand. The empty string: it neither holds nor waits.
const (
	MineNone    MineState = ""
	MineWaiting MineState = "waiting" // in the queue
	MineAbsent  MineState = "absent"  // in the queue, but skipped since it did not confirm a grant: ask again
	MineGranted MineState = "granted" // others are excluded; to be confirmed in time
	MineHeld    MineState = "held"    // confirmed
	MineLapsed  MineState = "lapsed"  // its own hold, over in time, not yet given on
)

// Snapshot is all that a session is told about a resource: what holds at one revision of its record, and where this
// session stands. It is a value; nothing in it changes afterwards.
type Snapshot struct {
	Resource string
	Revision int64 // rises with every change of the record
	State    State
	Holder   *Holder // nil when free
	Waiting  int     // how many wait
	Version  string  // the last version of the content that was named; empty if none
	Mine     Mine
	Ended    *Ended // why this session's last holding ended, when it just did or when it was asked for
}

// Holder is who holds a resource.
type Holder struct {
	User  User
	Fence int64
	Since time.Time // UTC, for people
	You   bool      // it is the session that is told
	Yours bool      // it is another session of the same user
}

// Mine is where the session that is told stands.
type Mine struct {
	State     MineState
	Fence     int64     // of the hold; 0 without one
	Position  int       // in the queue, from 1; 0 when not in it
	Since     time.Time // of the hold or of the place in the queue; UTC, for people
	ConfirmBy time.Time // by when a grant is to be confirmed, by this process's clock
}

// Ended is how a holding ended.
type Ended struct {
	Fence  int64
	Reason Reason
	At     time.Time
	By     User // who holds since; zero if nobody
}

// User is who a session belongs to: ID tells people apart, Name is what others see.
type User struct {
	ID   string
	Name string
}
