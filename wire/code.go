package wire

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// Code is the stable name of an error.
type Code string

// The codes of errors on a connection.
const (
	BadJSON         Code = "bad_json"
	BadFrame        Code = "bad_frame"
	BadRequest      Code = "bad_request"
	BadResource     Code = "bad_resource"
	Unsupported     Code = "unsupported"
	Unauthenticated Code = "unauthenticated"
	Forbidden       Code = "forbidden"
	Locked          Code = "locked"
	StaleFence      Code = "stale_fence"
	QueueFull       Code = "queue_full"
	TooManyLocks    Code = "too_many_locks"
	TooManyWatches  Code = "too_many_watches"
	TooManySessions Code = "too_many_sessions"
	RateLimited     Code = "rate_limited"
	ResumeRefused   Code = "resume_refused"
	ResumeReused    Code = "resume_reused"
	Unavailable     Code = "unavailable"
	UnknownOutcome  Code = "unknown_outcome"
	Replaced        Code = "replaced"     // a newer connection has the session
	SessionOver     Code = "session_over" // silent for too long; it may be resumed
	ShuttingDown    Code = "shutting_down"
)

// The codes of errors over HTTP that no connection has.
const (
	BadLockToken    Code = "bad_lock_token"   // absent, malformed, wrongly signed or expired
	OriginForbidden Code = "origin_forbidden" // the page's origin is not allowed
	BadHandshake    Code = "bad_handshake"    // not a WebSocket handshake of this protocol, or not a request of a stream
	NoStream        Code = "no_stream"        // no stream of this name and key is here
	NotFound        Code = "not_found"        // there is no such address; what nobody holds is no such thing
	BadMethod       Code = "bad_method"       // the address is known, but not with this method
	TooLarge        Code = "too_large"        // the body of the request is
)

// Status is the HTTP status that says the same as the code.
func (c Code) Status() int {
	switch c {
	case BadJSON, BadFrame, BadRequest, BadResource, BadHandshake:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case BadMethod:
		return http.StatusMethodNotAllowed
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unauthenticated:
		return http.StatusUnauthorized
	case Forbidden, OriginForbidden:
		return http.StatusForbidden
	case StaleFence, ResumeRefused, ResumeReused, Replaced, SessionOver:
		return http.StatusConflict
	case Locked, BadLockToken:
		return http.StatusLocked
	case NoStream:
		return http.StatusNotFound
	case QueueFull, TooManyLocks, TooManyWatches, TooManySessions, RateLimited:
		return http.StatusTooManyRequests
	case Unsupported:
		return http.StatusNotImplemented
	case Unavailable, UnknownOutcome, ShuttingDown:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Close codes of a connection. Clients act by the range, so that a code they do not know is no riddle.
const (
	CloseGoingAway     = 1001
	CloseProtocol      = 1002
	CloseBinary        = 1003
	CloseAbnormal      = 1006 // never sent: the connection ended without a code
	CloseBadText       = 1007
	CloseTooBig        = 1009
	CloseInternal      = 1011
	CloseRestart       = 1012
	CloseTooSlow       = 4100 // the client reads too slowly
	CloseNoPong        = 4101
	CloseTooMany       = 4102
	CloseHelloLate     = 4103
	CloseBadMessage    = 4104 // not what the protocol allows; the session is intact
	CloseTokenExpired  = 4200
	CloseTokenRefused  = 4201
	CloseReplaced      = 4302 // by a newer connection of the same session
	CloseResumeReused  = 4303
	CloseSessionEnded  = 4304
	closeLaterFirst    = 4100
	closeRefreshFirst  = 4200
	closeNotAgainFirst = 4300
	closeNotAgainLast  = 4399
)

// Return is what a client does after a connection was closed.
type Return string

// What a client does.
const (
	ReturnNow     Return = "now"     // at once, within 0 to 4 s the first time, and resume
	ReturnLater   Return = "later"   // with full jitter from 0.5 to 20 s, at most 5 s while holding
	ReturnRefresh Return = "refresh" // with a new access token
	ReturnNever   Return = "never"   // not with this session
)

// AfterClose says what a client does after a close code. A code that it does not know is judged by its range, and
// any other like an abnormal end.
func AfterClose(code int) Return {
	switch {
	case code == CloseProtocol, code == CloseBinary, code == CloseBadText, code == CloseTooBig:
		return ReturnLater // one bad frame is no reason to leave a person locked out of the text
	case code >= closeLaterFirst && code < closeRefreshFirst:
		return ReturnLater
	case code >= closeRefreshFirst && code < closeNotAgainFirst:
		return ReturnRefresh
	case code >= closeNotAgainFirst && code <= closeNotAgainLast:
		return ReturnNever
	}
	return ReturnNow
}

// Problem is the body of an HTTP error, application/problem+json (RFC 9457).
type Problem struct {
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"` // for people; says what to do
	Code   Code    `json:"code"`
	Holder *Holder `json:"holder,omitzero"` // with Locked, where it is known

	// Of HTTP for programs alone.
	Snapshot   *Snapshot   `json:"snapshot,omitzero"`    // what holds now; with Locked, where a place in the queue was taken
	Session    string      `json:"session,omitzero"`     // that goes on, and keeps its place
	RetryAfter Seconds     `json:"retry_after,omitzero"` // as in the header, but exact
	Ended      []EndedHold `json:"ended,omitzero"`       // with SessionOver: how what it held ended, as far as that is known
}

// Encode writes the body.
func (p *Problem) Encode() []byte {
	body, err := json.Marshal(p)
	if err != nil { // text that is not UTF-8
		return []byte(`{"code":"` + string(p.Code) + `"}`)
	}
	return body
}

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"
