package client

import (
	"errors"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// refusal is an error of the server in the words of this package: is tells it by errors.Is, message says what to do.
type refusal struct {
	is      error
	message string
}

func (e *refusal) Error() string { return "editlock: " + e.message }
func (e *refusal) Unwrap() error { return e.is }

// meanings of the codes of errors.
var meanings = map[wire.Code]error{
	wire.BadRequest:      editlock.ErrBadRequest,
	wire.BadResource:     editlock.ErrBadResource,
	wire.Unauthenticated: ErrUnauthenticated,
	wire.Forbidden:       ErrForbidden,
	wire.StaleFence:      editlock.ErrStale,
	wire.QueueFull:       editlock.ErrQueueFull,
	wire.TooManyLocks:    editlock.ErrTooManyLocks,
	wire.TooManyWatches:  editlock.ErrTooManyWatches,
	wire.TooManySessions: editlock.ErrTooManySessions,
	wire.ResumeRefused:   editlock.ErrResumeRefused,
	wire.ResumeReused:    editlock.ErrResumeReused,
	wire.Unavailable:     editlock.ErrUnavailable,
	wire.UnknownOutcome:  editlock.ErrUnknownOutcome,
	wire.ShuttingDown:    editlock.ErrUnavailable,
	wire.RateLimited:     editlock.ErrUnavailable,
}

// meaning returns what an embedded session would have returned in the place of an error of the server.
func meaning(err error) error {
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == wire.Locked && e.Snapshot != nil {
		return &editlock.LockedError{Snapshot: snapshotOf(*e.Snapshot)}
	}
	if is := meanings[e.Code]; is != nil {
		return &refusal{is, e.Message}
	}
	return &refusal{editlock.ErrBadRequest, e.Message + " (" + string(e.Code) + ")"}
}

// passing reports whether the server could not do something now, in the midst of what it may do later.
func passing(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && (e.Code == wire.Unavailable || e.Code == wire.UnknownOutcome)
}

// elsewhere reports whether a request is to be repeated, later or on the next connection, without a word to the caller.
func elsewhere(err error) bool {
	var e *wire.Error
	if !errors.As(err, &e) {
		return errors.Is(err, errDown)
	}
	switch e.Code {
	case wire.RateLimited, wire.ShuttingDown, wire.SessionOver, wire.Replaced:
		return true
	}
	return false
}

// retryAfter is how long to wait before a request is repeated.
func retryAfter(err error) time.Duration {
	var e *wire.Error
	if errors.As(err, &e) {
		return min(max(e.RetryAfter.Duration(), 100*time.Millisecond), 30*time.Second)
	}
	return 0
}

// snapshotOf reads a snapshot as an embedded session has it.
func snapshotOf(w wire.Snapshot) editlock.Snapshot {
	s := editlock.Snapshot{
		Resource: w.Resource, Revision: w.Revision, State: editlock.State(w.State), Waiting: w.Waiting, Version: w.Version,
	}
	if h := w.Holder; h != nil {
		s.Holder = &editlock.Holder{User: editlock.User{ID: h.User, Name: h.Name}, Since: h.Since, You: h.You, Yours: h.Yours}
	}
	if m := w.Mine; m != nil {
		s.Mine = editlock.Mine{State: editlock.MineState(m.State), Fence: m.Fence, Position: m.Position, Since: m.Since}
		if s.Mine.State == editlock.MineGranted {
			s.Mine.ConfirmBy = time.Now().Add(m.ConfirmWithin.Duration())
		}
	}
	if e := w.Ended; e != nil {
		s.Ended = &editlock.Ended{Fence: e.Fence, Reason: editlock.Reason(e.Reason), At: e.At}
		if h := s.Holder; h != nil && !h.You {
			s.Ended.By = h.User
		}
	}
	return s
}
