// Package guard is the write path: it refuses a save by anyone who does not hold the lock. A lock that nobody checks
// at the save is advisory.
//
// What it leaves open, and for how long: a token proves that its session held the resource when it was made, and that
// no other could get it by expiry before the token expires. A holding that was ended by a decision (a hand-over, a take-over,
// an administrator) is noticed when its token expires, within the TTL; with an online check, at the check. A save that
// passed the check may still commit after the next grant: only the fence, compared in the transaction of
// the write, refuses that.
//
// The strict guard takes two statements on the row, with the fence that FromContext gives to the handler:
//
//	UPDATE article SET fence = $2 WHERE id = $1 AND fence <= $2              -- the load of a new holder; then it reads
//	UPDATE article SET fence = $2, text = $3 WHERE id = $1 AND fence <= $2   -- the save
//
// The first makes the second count from the moment that the new holder sees the text. Without it, a late save of the holder
// before commits as long as the new one has written nothing, and the new one's save then overwrites what nobody
// showed them. It and the reading are one transaction, committed before the text is shown; the browser's client brings the
// token with that load. No row changed means that a later grant has been here: answer 409.
package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// Errors of a Verifier, beside wire.ErrBadToken and wire.ErrExpired. Test with errors.Is.
var (
	ErrNoToken       = errors.New("guard: the save carries no lock token")
	ErrOtherResource = errors.New("guard: the lock token is for another resource")
	ErrOtherUser     = errors.New("guard: the lock token is of another user")
)

// Verifier checks lock tokens without asking anybody. It is safe for use by several goroutines.
type Verifier struct {
	keys wire.Keys
	now  func() time.Time
}

// NewVerifier makes a Verifier of the keys that lock tokens may be signed with: the public half of the server's key,
// or the secret itself.
func NewVerifier(keys ...*wire.Key) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, errors.New("guard: no key to verify lock tokens with")
	}
	for _, k := range keys {
		if k == nil {
			return nil, errors.New("guard: a key is nil")
		}
	}
	return &Verifier{keys: keys, now: time.Now}, nil
}

// Verify checks signature, expiry and resource of a lock token. It returns ErrNoToken, ErrOtherResource, lease.ErrBadResource (of the
// resource that is asked for), or an error that wraps wire.ErrBadToken, and wire.ErrExpired if the token was good once;
// then the lock is returned with it.
func (v *Verifier) Verify(token, resource string) (wire.Lock, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return wire.Lock{}, err
	}
	if token == "" {
		return wire.Lock{}, ErrNoToken
	}
	lock, err := wire.VerifyLock(v.keys, token, v.now())
	switch {
	case err != nil && !errors.Is(err, wire.ErrExpired):
		return wire.Lock{}, err
	case lock.Resource != name || lock.Part != "":
		return wire.Lock{}, fmt.Errorf("%w: %s", ErrOtherResource, name)
	}
	return lock, err
}

// Checker says whether a session holds a resource with a fence at this moment, and what it found. *editlock.Manager is one.
type Checker interface {
	Check(ctx context.Context, resource, session string, fence int64) (editlock.Snapshot, error)
}

type contextKey struct{}

// FromContext returns the lock with which a request passed the middleware: its fence is what the transaction of the write
// should compare, and what the load of a new holder should first raise the row's to. ok is false for whoever only reads.
func FromContext(ctx context.Context) (lock wire.Lock, ok bool) {
	lock, ok = ctx.Value(contextKey{}).(wire.Lock)
	return lock, ok
}
