package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrBadToken is wrapped by every refusal of a token.
var ErrBadToken = errors.New("token refused")

// ErrExpired is wrapped, beside ErrBadToken, when a token was good once.
var ErrExpired = errors.New("token expired")

// ErrUnknownKey is wrapped, beside ErrBadToken, when a token names a key that there is not.
var ErrUnknownKey = errors.New("unknown key")

var strict64 = base64.RawURLEncoding.Strict()

// unpack decodes base64url, of which there is one way to write anything: the decoder alone would skip line ends.
func unpack(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("a line end in base64url")
	}
	return strict64.DecodeString(s)
}

type header struct {
	Alg string `json:"alg"`
	Typ string `json:"typ,omitzero"`
	Kid string `json:"kid,omitzero"`
	// What follows would let a token choose its own key, or ask for rules that are not known here.
	Crit jsontext.Value `json:"crit,omitzero"`
	JKU  jsontext.Value `json:"jku,omitzero"`
	JWK  jsontext.Value `json:"jwk,omitzero"`
	X5U  jsontext.Value `json:"x5u,omitzero"`
	X5C  jsontext.Value `json:"x5c,omitzero"`
}

// Sign makes a JWT of claims, which are encoded as JSON.
func (k *Key) Sign(typ string, claims any) (string, error) {
	if !k.CanSign() {
		return "", errors.New("wire: a public key cannot sign")
	}
	head, err := json.Marshal(header{Alg: k.method.Alg(), Typ: typ, Kid: k.id})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := strict64.EncodeToString(head) + "." + strict64.EncodeToString(body)
	sig, err := k.method.Sign(text, k.sign)
	if err != nil {
		return "", fmt.Errorf("wire: cannot sign: %w", err)
	}
	return text + "." + strict64.EncodeToString(sig), nil
}

// Keys are those that one kind of token may be signed with.
type Keys []*Key

// Verify checks the signature of a JWT and returns its claims as JSON, of which nothing is checked but that it is a strict
// JSON object. typ says which values of the header "typ" are right; case does not matter, and "" stands for none.
// The claims are not looked at before the signature is known to be good.
func (ks Keys) Verify(token string, typ ...string) (claims []byte, err error) {
	if len(token) > MaxToken {
		return nil, refuse("it is longer than %d bytes", MaxToken)
	}
	text, rest, ok := cutLast(token)
	if !ok {
		return nil, refuse("it is not a JWT")
	}
	head, body, ok := strings.Cut(text, ".")
	if !ok || strings.Contains(body, ".") {
		return nil, refuse("it is not a JWT")
	}
	var h header
	if err := decode64(head, &h); err != nil {
		return nil, refuse("its header is malformed")
	}
	if h.Crit != nil || h.JKU != nil || h.JWK != nil || h.X5U != nil || h.X5C != nil {
		return nil, refuse("its header has a member that is not allowed: crit, jku, jwk, x5u or x5c")
	}
	if !slices.ContainsFunc(typ, func(t string) bool { return strings.EqualFold(t, h.Typ) }) {
		return nil, refuse("it is a token for another purpose: typ is %q", clip(h.Typ))
	}
	key := ks.find(h.Kid)
	if key == nil {
		return nil, fmt.Errorf("%w: it names a key that is not configured here (%w)", ErrBadToken, ErrUnknownKey)
	}
	if key.method.Alg() != h.Alg {
		return nil, refuse("it is not signed with a key and an algorithm that are configured here")
	}
	sig, err := unpack(rest)
	if err != nil || key.method.Verify(text, sig, key.verify) != nil {
		return nil, refuse("its signature is wrong: it was made with another key than the one that is configured here")
	}
	claims, err = unpack(body)
	if err != nil {
		return nil, refuse("its claims are malformed")
	}
	if v := jsontext.Value(claims); !v.IsValid() || v.Kind() != '{' {
		return nil, refuse("its claims are not a JSON object")
	}
	return claims, nil
}

// find picks the key by the name in the token, which is compared and nothing else. A token without a name, or
// a key without one, will do as long as there is no choice.
func (ks Keys) find(kid string) *Key {
	for _, k := range ks {
		if k.id == kid {
			return k
		}
	}
	if len(ks) == 1 && (kid == "" || ks[0].id == "") {
		return ks[0]
	}
	return nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBadToken}, args...)...)
}

func cutLast(s string) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", "", false
}

func decode64(s string, into any) error {
	data, err := unpack(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
