package server

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Access says which access tokens are good. Issuer and Audience are required, and Keys or JWKS.
type Access struct {
	Keys     wire.Keys // of the application; several are told apart by "kid"
	JWKS     *JWKS     // further keys, which it publishes; the caller closes it after the Server
	Issuer   string    // that "iss" must equal
	Audience string    // that "aud" must contain
}

// Limits of what a token may say, and how far a clock of the application may be ahead of ours.
const (
	maxUserID = 255 // bytes
	maxName   = 100 // characters; a longer name is cut
	skew      = 5 * time.Second
	lastYear  = 253402300799 // seconds since 1970 at the end of 9999
)

// identity is what a good access token says.
type identity struct {
	user    editlock.User
	rights  rights
	unknown string // a right that gives nothing here; empty: none
	expires time.Time
}

type accessClaims struct {
	Sub    string         `json:"sub"`
	Name   string         `json:"name"`
	Iss    string         `json:"iss"`
	Aud    jsontext.Value `json:"aud"` // a string or a list of them
	Exp    float64        `json:"exp"`
	Nbf    float64        `json:"nbf"`
	Rights []string       `json:"rights"`
}

func (a Access) check() error {
	switch {
	case len(a.Keys) == 0 && a.JWKS == nil:
		return errors.New("server: no key for access tokens: without one nobody can be told apart")
	case a.Issuer == "" || a.Audience == "":
		return errors.New("server: the issuer and the audience of access tokens must be set")
	}
	seen := map[string]bool{}
	for _, k := range a.Keys {
		if k == nil || seen[k.ID()] {
			return errors.New("server: several keys for access tokens need different ids")
		}
		seen[k.ID()] = true
	}
	return nil
}

// verify reads an access token at the moment now. The error may be shown to whoever sent it: it says nothing of
// a token whose signature is not good but that it is not.
func (a Access) verify(token string, now time.Time) (*identity, error) {
	if token == "" {
		return nil, refuse("it is missing")
	}
	claims, err := a.claims(token)
	if err != nil {
		return nil, err
	}
	var c accessClaims
	if err := json.Unmarshal(claims, &c); err != nil {
		return nil, wrongKind(err)
	}
	switch {
	case c.Iss != a.Issuer:
		return nil, refuse("its issuer (iss) is %q; the one that is configured here is %q", clip(c.Iss), a.Issuer)
	case !a.audience(c.Aud):
		return nil, refuse("its audience (aud) is %s; the one that is configured here is %q", clip(cmp.Or(string(c.Aud), "missing")), a.Audience)
	case c.Exp <= 0:
		return nil, refuse("it has no time of expiry (exp)")
	case c.Exp > lastYear:
		return nil, refuse("its time of expiry (exp) is not in seconds since 1970")
	case !now.Before(instant(c.Exp)):
		return nil, fmt.Errorf("%w: %w", wire.ErrBadToken, wire.ErrExpired)
	case c.Nbf < 0 || c.Nbf > lastYear || c.Nbf > 0 && now.Add(skew).Before(instant(c.Nbf)):
		return nil, refuse("it is not valid yet (nbf)")
	case c.Sub == "" || len(c.Sub) > maxUserID:
		return nil, refuse("its user (sub) must be 1 to %d bytes", maxUserID)
	}
	id := &identity{user: editlock.User{ID: c.Sub, Name: cleanName(c.Name)}, expires: instant(c.Exp)}
	if id.user.Name == "" {
		id.user.Name = cleanName(c.Sub)
	}
	if id.rights, err = parseRights(c.Rights); err != nil {
		return nil, err
	}
	id.unknown = unknownVerb(c.Rights)
	return id, nil
}

// claims checks the signature. For a key that is not known the published ones are looked at again, if that was not done a moment ago;
// whoever has a token of a known key never waits for that.
func (a Access) claims(token string) (claims []byte, err error) {
	for again := true; ; again = false {
		keys := a.Keys
		if a.JWKS != nil {
			keys = slices.Concat(keys, a.JWKS.current()) // of two with one name the first counts
		}
		claims, err = keys.Verify(token, "", "JWT", "at+jwt", "application/at+jwt")
		if !again || a.JWKS == nil || !errors.Is(err, wire.ErrUnknownKey) || !a.JWKS.renew() {
			return claims, err
		}
	}
}

// wrongKind names the claim that is not what it has to be.
func wrongKind(err error) error {
	var s *json.SemanticError
	if errors.As(err, &s) && len(s.JSONPointer) > 1 {
		return refuse("its claim %q has a value of the wrong kind: exp and nbf are numbers, rights is a list of texts, the others are text",
			clip(string(s.JSONPointer[1:])))
	}
	return refuse("a claim has a value of the wrong kind")
}

func (a Access) audience(v jsontext.Value) bool {
	var one string
	if v.Kind() == '"' {
		return json.Unmarshal(v, &one) == nil && one == a.Audience
	}
	var list []string
	return v.Kind() == '[' && json.Unmarshal(v, &list) == nil && slices.Contains(list, a.Audience)
}

func instant(seconds float64) time.Time {
	return time.UnixMicro(int64(seconds * 1e6))
}

// cleanName takes out of a name what would let it pretend to be something else where it is shown: control
// characters, line ends and the marks that turn the direction of text round.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	n := 0
	for i := range name {
		if n == maxName {
			return name[:i] + "…"
		}
		n++
	}
	return name
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{wire.ErrBadToken}, args...)...)
}
