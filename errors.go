package editlock

import (
	"errors"
	"fmt"

	"github.com/editlock/editlock/lease"
)

// Errors. The methods that return them say so; test with errors.Is.
var (
	ErrLocked          = errors.New("editlock: somebody else holds it")
	ErrStale           = errors.New("editlock: the fence is not that of a present hold of this session")
	ErrBadResource     = lease.ErrBadResource
	ErrQueueFull       = errors.New("editlock: too many wait for this resource already; try again later")
	ErrTooManyLocks    = errors.New("editlock: this session holds or waits for too many resources already; release some")
	ErrTooManyWatches  = errors.New("editlock: this connection watches too many resources already")
	ErrTooManySessions = errors.New("editlock: this user has too many sessions already; close some")
	ErrResumeRefused   = errors.New("editlock: the session cannot be resumed; begin a new one")
	ErrResumeReused    = errors.New("editlock: the resume token was used before")
	ErrReplaced        = errors.New("editlock: a newer connection has taken the session over")
	ErrSessionOver     = errors.New("editlock: the session was silent for too long; resume it")
	ErrUnavailable     = errors.New("editlock: the store does not answer; nothing has changed; try again")
	ErrUnknownOutcome  = errors.New("editlock: the store did not say whether it was done; ask again")
	ErrShuttingDown    = errors.New("editlock: shutting down")
	ErrUnsure          = errors.New("editlock: it is no longer certain that the lock is held")
	ErrClosed          = errors.New("editlock: closed")
	ErrBadRequest      = errors.New("editlock: bad request")
)

// LockedError is returned by an acquire that does not wait. It is ErrLocked.
type LockedError struct {
	Snapshot Snapshot // what holds now; Holder may be nil if those who wait come first
}

func (e *LockedError) Error() string {
	if e.Snapshot.Holder == nil {
		return fmt.Sprintf("editlock: others wait for %s", e.Snapshot.Resource)
	}
	return fmt.Sprintf("editlock: %s holds %s", e.Snapshot.Holder.User.Name, e.Snapshot.Resource)
}

// Is makes a LockedError an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// LostError is the cause with which the context of a [Lock] is cancelled when the lock is lost. It is ErrStale when the
// holding has ended, and ErrUnsure when it may have.
type LostError struct {
	Resource string
	Fence    int64
	Reason   Reason // why it ended; empty when that is not known
	By       User   // who holds now; zero if nobody or not known
}

func (e *LostError) Error() string {
	switch {
	case e.Reason == "":
		return fmt.Sprintf("editlock: it is no longer certain that %s is held", e.Resource)
	case e.By.ID != "":
		return fmt.Sprintf("editlock: %s was lost (%s); %s holds it now", e.Resource, e.Reason, e.By.Name)
	}
	return fmt.Sprintf("editlock: %s was lost (%s)", e.Resource, e.Reason)
}

// Is makes a LostError an ErrUnsure or an ErrStale.
func (e *LostError) Is(target error) bool {
	if e.Reason == "" {
		return target == ErrUnsure
	}
	return target == ErrStale
}
