package articles

import (
	"errors"
	"time"

	"github.com/editlock/editlock/wire"
)

// Verifier returns a Locks.Verify for lock tokens that are signed with one of keys.
func Verifier(keys wire.Keys) func(token string) (Proof, error) {
	return func(token string) (Proof, error) {
		lock, err := wire.VerifyLock(keys, token, time.Now())
		proof := Proof{Resource: lock.Resource, User: lock.User, Fence: lock.Fence}
		switch {
		case errors.Is(err, wire.ErrExpired):
			return proof, ErrExpired
		case err != nil:
			return Proof{}, err
		case lock.Part != "":
			return Proof{}, errors.New("the token is for a part, not for the article")
		}
		return proof, nil
	}
}
