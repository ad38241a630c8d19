package wire

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a JWKS document.
const (
	MaxJWKS     = 64 << 10 // bytes
	maxJWKSKeys = 100
	maxKeyID    = 256  // bytes
	maxRSA      = 8192 // bits: the time to check a signature rises with them
)

// jwk are the members of a JWK that count here. Others are ignored, certificates and their addresses among them: nothing is
// fetched because a document says so.
type jwk struct {
	Kty    string         `json:"kty"`
	Use    string         `json:"use"`
	KeyOps []string       `json:"key_ops"`
	Alg    string         `json:"alg"`
	Kid    string         `json:"kid"`
	Crv    string         `json:"crv"`
	X      string         `json:"x"`
	Y      string         `json:"y"`
	N      string         `json:"n"`
	E      string         `json:"e"`
	D      jsontext.Value `json:"d"`
	K      jsontext.Value `json:"k"`
}

// ParseJWKS reads the public keys that a JWKS document (RFC 7517) has for signatures. What is no such key is left out, and left says of
// each why, in words. The error is set where no key is left.
func ParseJWKS(data []byte) (keys Keys, left []string, err error) {
	if len(data) > MaxJWKS {
		return nil, nil, fmt.Errorf("wire: a JWKS document of more than %d bytes", MaxJWKS)
	}
	var doc struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil || doc.Keys == nil {
		return nil, nil, errors.New(`wire: this is no JWKS document: it must be a JSON object with the member "keys", a list of keys, and no member twice`)
	}
	if len(doc.Keys) > maxJWKSKeys {
		return nil, nil, fmt.Errorf("wire: a JWKS document with %d keys; at most %d are read", len(doc.Keys), maxJWKSKeys)
	}
	for i, value := range doc.Keys {
		var j jwk
		if json.Unmarshal(value, &j) != nil {
			left = append(left, fmt.Sprintf("key %d is malformed", i+1))
			continue
		}
		key, why := j.key()
		if why == "" && slices.ContainsFunc(keys, func(k *Key) bool { return k.id == key.id }) {
			why = `has the "kid" of one before it`
		}
		if why != "" {
			left = append(left, fmt.Sprintf("key %d (kid %q) %s", i+1, clip(j.Kid), why))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, left, errors.New("wire: the JWKS document has no public key for signatures by RS256, ES256, ES384, ES512 or EdDSA")
	}
	return keys, left, nil
}

// key is the key that j describes, or why it is none for our purpose.
func (j *jwk) key() (key *Key, why string) {
	switch {
	case j.Kty == "oct" || j.K != nil:
		return nil, "is a secret: who can read the document could make access tokens; name a secret by a file"
	case j.D != nil:
		return nil, "is a private key: who can read the document could make access tokens; publish the public half, and replace this key"
	case j.Use != "" && j.Use != "sig":
		return nil, "is not for signatures"
	case j.KeyOps != nil && !slices.Contains(j.KeyOps, "verify"):
		return nil, "is not for checking signatures"
	case len(j.Kid) > maxKeyID:
		return nil, fmt.Sprintf(`has a "kid" of more than %d bytes`, maxKeyID)
	}
	read, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: jwkset.KTY(j.Kty), CRV: jwkset.CRV(j.Crv), X: j.X, Y: j.Y, N: j.N, E: j.E,
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil, "is of a kind that is not known here, or malformed"
	}
	if public, ok := read.Key().(*rsa.PublicKey); ok && public.N.BitLen() > maxRSA {
		return nil, fmt.Sprintf("has %d bits; at most %d are taken", public.N.BitLen(), maxRSA)
	}
	key, err = NewKey(j.Kid, read.Key())
	switch {
	case err != nil:
		return nil, "is no good: " + err.Error()[len("wire: "):]
	case j.Alg != "" && j.Alg != key.Algorithm():
		return nil, fmt.Sprintf("is for %s; this kind of key is used by %s here", clip(j.Alg), key.Algorithm())
	}
	return key, ""
}
