package wire

import "time"

// Frame is any message: a pointer to one of the types of this package that have a Kind.
type Frame interface {
	// Kind is the member "type" of the message.
	Kind() string
}

// User is a person as others see them.
type User struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Welcome answers Hello.
type Welcome struct {
	ID             int64      `json:"id"`
	Session        string     `json:"session"`
	Epoch          int64      `json:"epoch"`
	Resume         string     `json:"resume"`
	Resumed        bool       `json:"resumed"`
	User           User       `json:"user"`
	TTL            Seconds    `json:"ttl"`
	Margin         Seconds    `json:"margin"`
	Heartbeat      Seconds    `json:"heartbeat"`
	PongTimeout    Seconds    `json:"pong_timeout"`
	Rights         []string   `json:"rights"`
	TokenExpiresIn Seconds    `json:"token_expires_in"`
	Snapshots      []Snapshot `json:"snapshots"`
}

// OK answers every other request that succeeded. Which members it has depends on the request.
type OK struct {
	ID             int64      `json:"id"`
	Snapshot       *Snapshot  `json:"snapshot,omitzero"`
	Snapshots      []Snapshot `json:"snapshots,omitzero"` // of a prefix; nil elsewhere
	More           *bool      `json:"more,omitzero"`      // of a prefix: there are more than these
	TokenExpiresIn Seconds    `json:"token_expires_in,omitzero"`
}

// Error answers a request that failed, or says without an ID why the connection is about to be closed.
// It is a Go error as well.
type Error struct {
	ID         int64     `json:"id,omitzero"`
	Code       Code      `json:"code"`
	Message    string    `json:"message"` // for people; says what to do
	RetryAfter Seconds   `json:"retry_after,omitzero"`
	Snapshot   *Snapshot `json:"snapshot,omitzero"` // with Locked
}

func (e *Error) Error() string { return "editlock: " + string(e.Code) + ": " + e.Message }

// Ping is the heartbeat. Ack is the number of the last pong that the server vouches for.
type Ping struct {
	Ping  int64       `json:"ping"`
	Ack   int64       `json:"ack"`
	Locks []LockGrant `json:"locks,omitzero"` // every confirmed lock of the session, with a fresh token
}

// LockGrant is a confirmed lock and the token that proves it.
type LockGrant struct {
	Resource  string  `json:"resource"`
	Part      string  `json:"part,omitzero"`
	Fence     int64   `json:"fence"`
	Token     string  `json:"token"`
	ExpiresIn Seconds `json:"expires_in"`
}

// Move tells the client to reconnect at a random moment within so many seconds, because the server is going to stop.
type Move struct {
	Within Seconds `json:"within"`
}

// Snapshot is the one shape in which a client learns anything about a resource.
type Snapshot struct {
	Resource string  `json:"resource"`
	Revision int64   `json:"revision"`
	State    State   `json:"state"`
	Holder   *Holder `json:"holder,omitzero"`
	Waiting  int     `json:"waiting"`
	Version  string  `json:"version,omitzero"`
	Mine     *Mine   `json:"mine,omitzero"`
	Ended    *Ended  `json:"ended,omitzero"`
}

// State says whether a resource is free.
type State string

// The states of a resource.
const (
	Free   State = "free"
	Held   State = "held"
	Lapsed State = "lapsed"
)

// Holder is who holds a resource. You: this session. Yours: another session of the same user.
type Holder struct {
	User    string    `json:"user"`
	Name    string    `json:"name"`
	Since   time.Time `json:"since"`
	HeldFor Seconds   `json:"held_for"`
	Fence   int64     `json:"fence,omitzero"` // over HTTP alone
	You     bool      `json:"you"`
	Yours   bool      `json:"yours"`
}

// Mine is where the session that is told stands. State is waiting, absent, granted, held or lapsed.
type Mine struct {
	State         string    `json:"state"`
	Position      int       `json:"position,omitzero"`
	Since         time.Time `json:"since,omitzero"`
	Fence         int64     `json:"fence,omitzero"`
	ConfirmWithin Seconds   `json:"confirm_within,omitzero"`
	Token         string    `json:"token,omitzero"`
	ExpiresIn     Seconds   `json:"expires_in,omitzero"`
}

// Ended is how a holding ended.
type Ended struct {
	Fence  int64     `json:"fence"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

func (*Welcome) Kind() string  { return "welcome" }
func (*OK) Kind() string       { return "ok" }
func (*Error) Kind() string    { return "error" }
func (*Ping) Kind() string     { return "ping" }
func (*Move) Kind() string     { return "move" }
func (*Snapshot) Kind() string { return "snapshot" }

// newReply makes an empty message from a server, or nil if the type is unknown.
func newReply(kind string) Frame {
	switch kind {
	case "welcome":
		return new(Welcome)
	case "ok":
		return new(OK)
	case "error":
		return new(Error)
	case "ping":
		return new(Ping)
	case "move":
		return new(Move)
	case "snapshot":
		return new(Snapshot)
	}
	return nil
}
