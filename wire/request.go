package wire

import "fmt"

// Request is a message from a client to a server: a pointer to one of the types below.
type Request interface {
	Frame
	// RequestID is the id that the answer echoes; 0 for a Pong, which has no answer.
	RequestID() int64
	// check says what is missing or out of bounds, or nothing.
	check() string
}

// Hello authenticates a connection, and resumes a session if Resume is set.
type Hello struct {
	ID     int64  `json:"id"`
	Token  string `json:"token"`
	Nonce  string `json:"nonce"`
	Resume string `json:"resume,omitzero"`
}

// Target is the resource that a request is about.
type Target struct {
	Resource string `json:"resource,omitzero"`
	Part     string `json:"part,omitzero"`
}

// Acquire asks for the lock. A nil Wait means true.
type Acquire struct {
	ID int64 `json:"id"`
	Target
	Wait *bool `json:"wait,omitzero"`
	Move bool  `json:"move,omitzero"`
}

// Confirm says that the page of a grant is there.
type Confirm struct {
	ID int64 `json:"id"`
	Target
	Fence int64 `json:"fence"`
}

// Release frees at once. Version, if any, is what the content is now.
type Release struct {
	ID int64 `json:"id"`
	Target
	Fence   int64  `json:"fence"`
	Version string `json:"version,omitzero"`
}

// Cancel leaves the queue, or gives back a grant that is not confirmed.
type Cancel struct {
	ID int64 `json:"id"`
	Target
}

// Watch asks for snapshots from now on, of one resource or of a prefix. A non-zero Fence is of a holding
// that the client once had, and whose end it wants to be told.
type Watch struct {
	ID int64 `json:"id"`
	Target
	Prefix *string `json:"prefix,omitzero"`
	Fence  int64   `json:"fence,omitzero"`
}

// Unwatch ends what Watch began.
type Unwatch struct {
	ID int64 `json:"id"`
	Target
	Prefix *string `json:"prefix,omitzero"`
}

// Changed says that the holder saved the content as Version.
type Changed struct {
	ID int64 `json:"id"`
	Target
	Fence   int64  `json:"fence"`
	Version string `json:"version"`
}

// Token brings a fresh access token of the same user.
type Token struct {
	ID    int64  `json:"id"`
	Token string `json:"token"`
}

// Bye says that the page is gone, or read-only from now on.
type Bye struct {
	ID int64 `json:"id"`
}

// Pong answers a Ping, from the page's message handler.
type Pong struct {
	Ping int64 `json:"ping"`
}

func (*Hello) Kind() string   { return "hello" }
func (*Acquire) Kind() string { return "acquire" }
func (*Confirm) Kind() string { return "confirm" }
func (*Release) Kind() string { return "release" }
func (*Cancel) Kind() string  { return "cancel" }
func (*Watch) Kind() string   { return "watch" }
func (*Unwatch) Kind() string { return "unwatch" }
func (*Changed) Kind() string { return "changed" }
func (*Token) Kind() string   { return "token" }
func (*Bye) Kind() string     { return "bye" }
func (*Pong) Kind() string    { return "pong" }

func (r *Hello) RequestID() int64   { return r.ID }
func (r *Acquire) RequestID() int64 { return r.ID }
func (r *Confirm) RequestID() int64 { return r.ID }
func (r *Release) RequestID() int64 { return r.ID }
func (r *Cancel) RequestID() int64  { return r.ID }
func (r *Watch) RequestID() int64   { return r.ID }
func (r *Unwatch) RequestID() int64 { return r.ID }
func (r *Changed) RequestID() int64 { return r.ID }
func (r *Token) RequestID() int64   { return r.ID }
func (r *Bye) RequestID() int64     { return r.ID }
func (*Pong) RequestID() int64      { return 0 }

// newRequest makes an empty request of a type, or nil if the type is unknown.
func newRequest(kind string) Request {
	switch kind {
	case "hello":
		return new(Hello)
	case "acquire":
		return new(Acquire)
	case "confirm":
		return new(Confirm)
	case "release":
		return new(Release)
	case "cancel":
		return new(Cancel)
	case "watch":
		return new(Watch)
	case "unwatch":
		return new(Unwatch)
	case "changed":
		return new(Changed)
	case "token":
		return new(Token)
	case "bye":
		return new(Bye)
	case "pong":
		return new(Pong)
	}
	return nil
}

func (r *Hello) check() string {
	if !validNonce(r.Nonce) {
		return `"nonce" must be 22 characters: 128 random bits in base64url without padding`
	}
	return ""
}

func (r *Acquire) check() string { return checkTarget(r.Target) }
func (r *Confirm) check() string { return first(checkTarget(r.Target), checkFence(r.Fence, true)) }
func (r *Cancel) check() string  { return checkTarget(r.Target) }

func (r *Release) check() string {
	return first(checkTarget(r.Target), checkFence(r.Fence, true), checkVersion(r.Version))
}

func (r *Changed) check() string {
	if r.Version == "" {
		return `"version" is missing: name the version of the content that was saved`
	}
	return first(checkTarget(r.Target), checkFence(r.Fence, true), checkVersion(r.Version))
}

func (r *Watch) check() string {
	if r.Prefix != nil && r.Fence != 0 {
		return `"fence" goes with "resource", not with "prefix"`
	}
	return first(checkSelection(r.Target, r.Prefix), checkFence(r.Fence, false))
}

func (r *Unwatch) check() string { return checkSelection(r.Target, r.Prefix) }

func (r *Token) check() string {
	if r.Token == "" {
		return `"token" is missing: send a fresh access token`
	}
	return ""
}

func (*Bye) check() string { return "" }

func (r *Pong) check() string {
	if r.Ping < 1 {
		return `"ping" must be the number of the ping that is answered`
	}
	return ""
}

func checkTarget(t Target) string {
	if t.Resource == "" {
		return `"resource" is missing: name what is edited, as in "article/42"`
	}
	return ""
}

func checkSelection(t Target, prefix *string) string {
	switch {
	case t.Resource == "" && prefix == nil:
		return `"resource" or "prefix" is missing`
	case t.Resource != "" && prefix != nil:
		return `name either "resource" or "prefix", not both`
	case t.Part != "" && prefix != nil:
		return `"part" goes with "resource", not with "prefix"`
	}
	return ""
}

func checkFence(fence int64, required bool) string {
	switch {
	case fence == 0 && !required:
		return ""
	case fence == 0:
		return `"fence" is missing: send the one of your grant`
	case fence < 0 || fence > MaxFence:
		return fmt.Sprintf(`"fence" must be an integer from 1 to %d`, int64(MaxFence))
	}
	return ""
}

func checkVersion(v string) string {
	if len(v) > MaxVersion {
		return fmt.Sprintf(`"version" is longer than %d bytes`, MaxVersion)
	}
	return ""
}

func first(messages ...string) string {
	for _, m := range messages {
		if m != "" {
			return m
		}
	}
	return ""
}
