package server

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// table says what a client is told of an error of the Manager: a code, what to do, when to try again, and with which code the
// connection is closed, if it is.
var table = []struct {
	err     error
	code    wire.Code
	message string
	retry   wire.Seconds
	close   uint16
}{
	{editlock.ErrLocked, wire.Locked, "Somebody else is editing this. Wait, or try again later.", 0, 0},
	{editlock.ErrStale, wire.StaleFence, "Your hold has ended. Acquire it again, and load the content afresh before you edit.", 0, 0},
	{editlock.ErrQueueFull, wire.QueueFull, "Too many wait for this already. Try again later.", 5, 0},
	{editlock.ErrTooManyLocks, wire.TooManyLocks, "You hold or wait for too much already. Release some first.", 5, 0},
	{editlock.ErrTooManyWatches, wire.TooManyWatches, "This connection watches too much already. Unwatch some first.", 5, 0},
	{editlock.ErrTooManySessions, wire.TooManySessions, "You have too many windows open here. Close some, and try again.", 10, 0},
	{editlock.ErrResumeReused, wire.ResumeReused, "This token of a session was used before. Begin a new session.", 0, 0},
	{editlock.ErrResumeRefused, wire.ResumeRefused, `The session cannot be resumed. Begin a new one: say hello without "resume", or ask over HTTP without "session".`, 0, 0},
	{editlock.ErrUnknownOutcome, wire.UnknownOutcome, "It is not known whether this was done. Ask again: requests may be repeated.", 1, 0},
	{editlock.ErrUnavailable, wire.Unavailable, "The store does not answer, and nothing has changed. Try again.", 1, 0},
	{editlock.ErrShuttingDown, wire.ShuttingDown, "The server is stopping. Connect again.", 1, wire.CloseRestart},
	{editlock.ErrClosed, wire.ShuttingDown, "The server is stopping. Connect again.", 1, wire.CloseRestart},
	{editlock.ErrReplaced, wire.Replaced, "A newer connection has taken the session over.", 0, wire.CloseReplaced},
	{editlock.ErrSessionOver, wire.SessionOver, "The session was silent for too long. Connect again, and resume it.", 1, wire.CloseRestart},
	// Whoever waited no longer does not know what became of it.
	{context.DeadlineExceeded, wire.UnknownOutcome, "It took too long, and may still be done. Ask again: requests may be repeated.", 1, 0},
	{context.Canceled, wire.ShuttingDown, "The server is stopping. Connect again.", 1, wire.CloseRestart},
}

// explain turns an error into an answer. An error that the table does not know is ours, and its text stays here.
func explain(id int64, err error) (e *wire.Error, closeWith uint16) {
	if errors.Is(err, lease.ErrBadResource) {
		return &wire.Error{ID: id, Code: wire.BadResource, Message: sentence(err)}, 0
	}
	if errors.Is(err, editlock.ErrBadRequest) {
		return &wire.Error{ID: id, Code: wire.BadRequest, Message: sentence(err)}, 0
	}
	for _, row := range table {
		if errors.Is(err, row.err) {
			return &wire.Error{ID: id, Code: row.code, Message: row.message, RetryAfter: row.retry}, row.close
		}
	}
	return &wire.Error{ID: id, Code: wire.UnknownOutcome, Message: "Something went wrong here. Ask again: requests may be repeated.", RetryAfter: 1}, 0
}

// refuseRequest answers a request that failed, and goes on with what was held back for it.
func (c *conn) refuseRequest(id int64, err error) {
	e, code := explain(id, err)
	var locked *editlock.LockedError
	if errors.As(err, &locked) {
		c.mu.Lock()
		session := c.session
		c.mu.Unlock()
		s := c.snapshot(session, c.settle(locked.Snapshot))
		e.Snapshot, e.Message = &s, lockedMessage(locked.Snapshot)
	}
	if e.Code == wire.UnknownOutcome || e.Code == wire.Unavailable {
		c.srv.failedRequest(err, "conn", c.number)
	}
	if code != 0 {
		c.fail(e, code)
		return
	}
	c.deliver(e)
}

// lockedMessage is for people.
func lockedMessage(s editlock.Snapshot) string {
	switch {
	case s.Holder == nil:
		return "Others wait for " + s.Resource + ". Wait too, or try again later."
	case s.Holder.Yours:
		return "You are editing " + s.Resource + " in another window. Go on there, or move the editing here."
	}
	return s.Holder.User.Name + " is editing " + s.Resource + ". Wait, or try again later."
}

func forbidden(id int64, verb, resource string) *wire.Error {
	return &wire.Error{ID: id, Code: wire.Forbidden, Message: "Your access token does not give the right to " + verb + " this. It takes " + verb + ":" + resource + ", or a pattern that it matches."}
}

// ownMessage is what a program is told whose user holds by another session: of its own, most likely, of which it does not know.
func ownMessage(s editlock.Snapshot) string {
	return "Another session of this user holds " + s.Resource + ". Ask with that session, or take the lock over from it with \"move\"."
}

// sentence makes the text of an error into one that a person is shown.
func sentence(err error) string {
	text := strings.TrimSuffix(err.Error(), ".") + "."
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
