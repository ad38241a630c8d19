package wire

import (
	"time"

	"github.com/go-json-experiment/json"
)

const (
	lockTyp = "editlock-lock+jwt"
	issuer  = "editlock"
)

// Lock is what a lock token says: that the session of the user holds the resource with the fence until Expires.
type Lock struct {
	User     string
	Session  string
	Resource string
	Part     string // empty for the whole
	Fence    int64
	Issued   time.Time
	Expires  time.Time
}

type lockClaims struct {
	Iss   string `json:"iss"`
	Sub   string `json:"sub"`
	Sid   string `json:"sid"`
	Res   string `json:"res"`
	Part  string `json:"part,omitzero"`
	Fence int64  `json:"fence"`
	Iat   int64  `json:"iat"`
	Exp   int64  `json:"exp"`
}

// SignLock makes a lock token. Expires is cut to the whole second before it, so that a token never outlives
// what it was given for.
func SignLock(key *Key, l Lock) (string, error) {
	return key.Sign(lockTyp, lockClaims{
		Iss: issuer, Sub: l.User, Sid: l.Session, Res: l.Resource, Part: l.Part,
		Fence: l.Fence, Iat: l.Issued.Unix(), Exp: l.Expires.Unix(),
	})
}

// VerifyLock checks a lock token at the moment now, which is wall time. An error wraps ErrBadToken, and ErrExpired if
// it was good once; then the lock is returned too. Whether it is for the right resource is for the caller to compare.
func VerifyLock(keys Keys, token string, now time.Time) (Lock, error) {
	claims, err := keys.Verify(token, lockTyp)
	if err != nil {
		return Lock{}, err
	}
	var c lockClaims
	if err := json.Unmarshal(claims, &c); err != nil {
		return Lock{}, refuse("its claims are malformed")
	}
	if c.Iss != issuer {
		return Lock{}, refuse("its issuer is %q", clip(c.Iss))
	}
	if c.Sub == "" || c.Sid == "" || c.Res == "" || c.Fence < 1 || c.Fence > MaxFence || c.Exp < 1 {
		return Lock{}, refuse("a claim is missing")
	}
	l := Lock{
		User: c.Sub, Session: c.Sid, Resource: c.Res, Part: c.Part, Fence: c.Fence,
		Issued: time.Unix(c.Iat, 0).UTC(), Expires: time.Unix(c.Exp, 0).UTC(),
	}
	if !now.Before(l.Expires) {
		return l, expired(l.Expires)
	}
	return l, nil
}
