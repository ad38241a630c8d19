package wire

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// Limits of HTTP for programs.
const (
	MaxBody   = 64 << 10 // bytes of the body of a request
	MaxWait   = 50       // seconds that an acquire may wait
	MaxChecks = 100      // items of a check
	MaxList   = 1000     // entries of a list
)

// AcquireCall asks for a lock over HTTP.
type AcquireCall struct {
	Resource string  `json:"resource" jsonschema:"What is to be edited, such as article/42."`
	Wait     Seconds `json:"wait,omitzero" jsonschema:"How long the answer may wait for the lock: 0 to 50 seconds. 0: it comes at once, and no place in the queue is taken. The server may answer sooner; whoever asks again with the session keeps the place."`
	Session  string  `json:"session,omitzero" jsonschema:"Of an earlier answer. Without it a new session is made."`
	Nonce    string  `json:"nonce,omitzero" jsonschema:"128 random bits in base64url without padding, the same whenever the request is repeated. Without it, it is made of the session."`
	Move     bool    `json:"move,omitzero" jsonschema:"If another session of the same user holds, the lock moves here at once."`
}

// Granted is a lock that was acquired over HTTP.
type Granted struct {
	Resource    string  `json:"resource" jsonschema:"Its canonical name."`
	Fence       int64   `json:"fence" jsonschema:"The number of the grant: greater than that of every earlier grant of the resource."`
	Token       string  `json:"token" jsonschema:"The lock token: signed proof of the hold, to be sent with a save in the header Lock-Token."`
	ExpiresIn   Seconds `json:"expires_in" jsonschema:"How long the lock may be believed in without a renewal, in seconds from the moment at which the request was sent, plus waited."`
	Waited      Seconds `json:"waited" jsonschema:"For how many seconds the server had the request before it answered."`
	Version     string  `json:"version,omitzero" jsonschema:"The last version of the content that was named. Load at least that one before editing."`
	Session     string  `json:"session" jsonschema:"To be sent with all further requests about this lock. Keep it secret, as the access token."`
	RenewWithin Seconds `json:"renew_within" jsonschema:"Renew at the latest so many seconds after the last request with this session was sent."`
}

// RenewCall keeps a session alive over HTTP.
type RenewCall struct {
	Session string `json:"session" jsonschema:"Of the last answer that had one."`
	Nonce   string `json:"nonce,omitzero" jsonschema:"As for acquire."`
}

// Renewed is all that a session has.
type Renewed struct {
	Session     string      `json:"session" jsonschema:"To be used from now on: another one than was sent, if the server was restarted meanwhile."`
	RenewWithin Seconds     `json:"renew_within" jsonschema:"Renew again at the latest so many seconds after this request was sent."`
	Locks       []LockGrant `json:"locks" jsonschema:"What it holds. expires_in counts from the moment at which this request was sent."`
	Places      []Place     `json:"places" jsonschema:"What it waits for."`
	Ended       []EndedHold `json:"ended,omitzero" jsonschema:"What it held, and how that ended, as far as the server still knows."`
}

// Place is where a session stands with a resource that it does not hold.
type Place struct {
	Resource      string  `json:"resource"`
	State         string  `json:"state" jsonschema:"waiting; absent: skipped until it asks again by acquire; granted: it is its turn, and acquire takes the lock."`
	Position      int     `json:"position,omitzero" jsonschema:"The place in the queue, from 1."`
	ConfirmWithin Seconds `json:"confirm_within,omitzero" jsonschema:"With granted: after so many seconds it is the next one's turn."`
}

// EndedHold is how a holding ended.
type EndedHold struct {
	Resource string `json:"resource"`
	Ended
}

// ReleaseCall gives a lock back over HTTP.
type ReleaseCall struct {
	Session  string `json:"session" jsonschema:"Of the last answer that had one."`
	Resource string `json:"resource"`
	Fence    int64  `json:"fence" jsonschema:"Of the grant. With another one nothing happens, and the answer is the same."`
	Version  string `json:"version,omitzero" jsonschema:"What the content is now; opaque, 200 bytes at most."`
}

// CancelCall gives a place in the queue up over HTTP.
type CancelCall struct {
	Session  string `json:"session" jsonschema:"Of the last answer that had one."`
	Resource string `json:"resource"`
}

// ChangedCall says over HTTP that content was saved: the holder does with its session and fence, the application without.
type ChangedCall struct {
	Resource string `json:"resource"`
	Version  string `json:"version" jsonschema:"What the content is now; opaque, 200 bytes at most."`
	Session  string `json:"session,omitzero" jsonschema:"Of the holder. Without it, it takes the right administer."`
	Fence    int64  `json:"fence,omitzero" jsonschema:"Of the holder's grant; with session."`
}

// Standing answers a request that gave something back or changed something.
type Standing struct {
	Snapshot Snapshot `json:"snapshot" jsonschema:"What holds now."`
	Session  string   `json:"session,omitzero" jsonschema:"To be used from now on. Absent when the session has ended: it holds nothing and waits for nothing any more."`
}

// CheckItem asks whether a resource is held as is claimed: by a lock token, by a fence, or by a session with or without a fence.
type CheckItem struct {
	Resource string `json:"resource"`
	Token    string `json:"token,omitzero" jsonschema:"A lock token. What holds now decides, not the time in it."`
	Session  string `json:"session,omitzero" jsonschema:"A session of the caller."`
	Fence    int64  `json:"fence,omitzero"`
}

// CheckCall asks for one item, or for many.
type CheckCall struct {
	CheckItem
	Items []CheckItem `json:"items,omitzero"`
}

// The results of a check.
const (
	Ours   = "ours"   // held as is claimed
	Theirs = "theirs" // held by somebody else, or with another fence
	Unheld = "free"   // not held: free, or lapsed
)

// Checked is the result of one item.
type Checked struct {
	Resource string  `json:"resource" jsonschema:"Its canonical name."`
	Result   string  `json:"result" jsonschema:"ours: held as is claimed. theirs: held by somebody else, or with another fence. free: by nobody."`
	Fence    int64   `json:"fence,omitzero" jsonschema:"Of the present hold."`
	Holder   *Holder `json:"holder,omitzero" jsonschema:"Who holds, with ours and theirs. A lock token that comes with a save is good only if this is the user who saves."`
	Code     Code    `json:"code,omitzero" jsonschema:"Why it is not ours: bad_lock_token, stale_fence or resume_refused."`
}

// CheckedList is the result of many.
type CheckedList struct {
	Items []Checked `json:"items" jsonschema:"In the order in which they were asked."`
}

// ForceCall ends another's hold.
type ForceCall struct {
	Resource string `json:"resource"`
	Reason   string `json:"reason" jsonschema:"Why, in words, for the history: 1 to 256 bytes."`
	Fence    int64  `json:"fence,omitzero" jsonschema:"Of the hold that is to end. Without it, whoever holds at this moment: a repeated request may then hit whoever came after."`
}

// Forced is what came of it.
type Forced struct {
	Snapshot Snapshot `json:"snapshot" jsonschema:"What holds now."`
	Ended    *Ended   `json:"ended,omitzero" jsonschema:"How that hold ended: by this request, unless the reason says otherwise. Absent if nobody held, or there was no such hold."`
}

// LockList is a part of a list of resources.
type LockList struct {
	Locks  []Snapshot `json:"locks" jsonschema:"What is held, lapsed or waited for, in the order of the names."`
	Cursor string     `json:"cursor,omitzero" jsonschema:"For the next request. Absent at the end of the list."`
}

// HistoryList is a part of the history of a resource, oldest first.
type HistoryList struct {
	Entries []HistoryEntry `json:"entries"`
	Cursor  string         `json:"cursor,omitzero" jsonschema:"For the next request. Absent at the end of the list."`
}

// HistoryEntry is one change of who holds a resource: a hold that ended, one that began, or both.
type HistoryEntry struct {
	Revision int64     `json:"revision"`
	At       time.Time `json:"at" jsonschema:"When it was recorded."`
	Ended    *PastHold `json:"ended,omitzero"`
	Granted  *PastHold `json:"granted,omitzero"`
}

// PastHold is one side of a HistoryEntry.
type PastHold struct {
	User   string    `json:"user"`
	Name   string    `json:"name"`
	Fence  int64     `json:"fence"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitzero" jsonschema:"Why it ended."`
	At     time.Time `json:"at,omitzero" jsonschema:"When it really ended."`
	By     *User     `json:"by,omitzero" jsonschema:"Who ended it, of a forced end."`
	Text   string    `json:"text,omitzero" jsonschema:"Why, in the words of who ended it."`
}

// Call is the body of a request over HTTP: a pointer to one of the types above that have a check.
type Call interface {
	// check says what is missing or out of bounds, or nothing.
	check() string
}

// DecodeCall reads the body of a request over HTTP, as strictly as a message on a connection, and refuses members that the
// request does not have: a misspelt one would otherwise do something else than was meant, and nobody would hear of it. The
// caller has limited its size to MaxBody. The error is BadJSON or BadRequest.
func DecodeCall(data []byte, c Call) *Error {
	if len(bytes.TrimSpace(data)) == 0 {
		return &Error{Code: BadJSON, Message: "The body is empty. Send one JSON object."}
	}
	if _, err := readHead(data); err != nil {
		return &Error{Code: BadJSON, Message: "The body is not one JSON object as the protocol wants it: " + err.Error() + "."}
	}
	if err := json.Unmarshal(data, c, json.RejectUnknownMembers(true)); err != nil {
		var s *json.SemanticError
		if errors.As(err, &s) && errors.Is(s.Err, json.ErrUnknownName) {
			return &Error{Code: BadRequest, Message: fmt.Sprintf("There is no member %q in this request. Is it misspelt?", clip(s.JSONPointer.LastToken()))}
		}
		return &Error{Code: BadRequest, Message: wrongKind(err)}
	}
	if why := c.check(); why != "" {
		return &Error{Code: BadRequest, Message: "In the body, " + why + "."}
	}
	return nil
}

func (c *AcquireCall) check() string {
	wait := ""
	if !(c.Wait >= 0 && c.Wait <= MaxWait) {
		wait = fmt.Sprintf(`"wait" must be a number of seconds from 0 to %d; ask again for as long as you want to wait`, MaxWait)
	}
	return first(checkTarget(Target{Resource: c.Resource}), wait, checkNonce(c.Nonce))
}

func (c *RenewCall) check() string { return first(checkSession(c.Session), checkNonce(c.Nonce)) }

func (c *ReleaseCall) check() string {
	return first(checkTarget(Target{Resource: c.Resource}), checkSession(c.Session), checkFence(c.Fence, true), checkVersion(c.Version))
}

func (c *CancelCall) check() string {
	return first(checkTarget(Target{Resource: c.Resource}), checkSession(c.Session))
}

func (c *ChangedCall) check() string {
	both := ""
	if c.Fence != 0 && c.Session == "" {
		both = `"session" is missing: a fence is that of a session`
	}
	return first(both, (&Changed{Target: Target{Resource: c.Resource}, Fence: max(c.Fence, 1), Version: c.Version}).check(), checkFence(c.Fence, c.Session != ""))
}

func (c *CheckItem) check() string {
	return first(checkTarget(Target{Resource: c.Resource}), checkFence(c.Fence, false))
}

func (c *CheckCall) check() string {
	if c.Items == nil {
		return c.CheckItem.check()
	}
	switch {
	case c.CheckItem != CheckItem{}:
		return `there are "items" beside another item; send either`
	case len(c.Items) == 0 || len(c.Items) > MaxChecks:
		return fmt.Sprintf(`"items" must be a list of 1 to %d items`, MaxChecks)
	}
	for i := range c.Items {
		if why := c.Items[i].check(); why != "" {
			return fmt.Sprintf("in item %d, counted from 0, %s", i, why)
		}
	}
	return ""
}

func (c *ForceCall) check() string {
	reason := ""
	if c.Reason == "" {
		reason = `"reason" is missing: say why, in words, for the history`
	}
	return first(checkTarget(Target{Resource: c.Resource}), reason, checkFence(c.Fence, false))
}

func checkSession(session string) string {
	if session == "" {
		return `"session" is missing: send that of the last answer`
	}
	return ""
}

func checkNonce(nonce string) string {
	if nonce == "" {
		return ""
	}
	return (&Hello{Nonce: nonce}).check()
}
