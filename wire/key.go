package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// MinSecret is the least length of an HMAC secret in bytes.
const MinSecret = 32

// Key signs or verifies tokens by one algorithm, which the key decides and never a token: HS256 for a secret, RS256 for
// RSA, ES256, ES384 or ES512 by the curve, EdDSA for Ed25519. It is immutable.
type Key struct {
	id     string
	method jwt.SigningMethod
	sign   any // nil: a public key
	verify any
}

// NewKey makes a key of a secret ([]byte) or a private or public key of crypto/rsa, crypto/ecdsa or
// crypto/ed25519. A good secret is what `openssl rand -base64 48` prints. The id is what a token names it by in "kid"; it may be empty.
func NewKey(id string, material any) (*Key, error) {
	k := &Key{id: id}
	switch m := material.(type) {
	case []byte:
		if err := checkSecret(m); err != nil {
			return nil, err
		}
		secret := bytes.Clone(m)
		k.method, k.sign, k.verify = jwt.SigningMethodHS256, secret, secret
	case *rsa.PrivateKey:
		k.method, k.sign, k.verify = jwt.SigningMethodRS256, m, &m.PublicKey
	case *rsa.PublicKey:
		k.method, k.verify = jwt.SigningMethodRS256, m
	case *ecdsa.PrivateKey:
		k.sign, k.verify = m, &m.PublicKey
	case *ecdsa.PublicKey:
		k.verify = m
	case ed25519.PrivateKey:
		k.method, k.sign, k.verify = jwt.SigningMethodEdDSA, m, m.Public().(ed25519.PublicKey)
	case ed25519.PublicKey:
		k.method, k.verify = jwt.SigningMethodEdDSA, m
	default:
		return nil, fmt.Errorf("wire: a %T is no key that editlock knows: give a secret, or an RSA, ECDSA or Ed25519 key", material)
	}
	switch v := k.verify.(type) {
	case *rsa.PublicKey:
		if v.N.BitLen() < 2048 {
			return nil, fmt.Errorf("wire: an RSA key of %d bits is too weak: use at least 2048", v.N.BitLen())
		}
	case *ecdsa.PublicKey:
		switch v.Curve {
		case elliptic.P256():
			k.method = jwt.SigningMethodES256
		case elliptic.P384():
			k.method = jwt.SigningMethodES384
		case elliptic.P521():
			k.method = jwt.SigningMethodES512
		default:
			return nil, errors.New("wire: an ECDSA key must be on P-256, P-384 or P-521")
		}
	}
	return k, nil
}

// ParseKey makes a key of the contents of a file: a PEM block with a private or public key or a certificate, or else a secret, whose
// trailing line end does not count.
func ParseKey(id string, text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		if bytes.Contains(text, []byte("-----BEGIN")) {
			return nil, errors.New("wire: this looks like PEM and cannot be read")
		}
		return NewKey(id, bytes.TrimRight(text, "\r\n"))
	}
	var material any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		material, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			material = c.PublicKey
		}
	default:
		return nil, fmt.Errorf("wire: a PEM block %q is no key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("wire: cannot read the key: %w", err)
	}
	return NewKey(id, material)
}

// ID is what tokens name the key by.
func (k *Key) ID() string { return k.id }

// Algorithm is the only value of "alg" that a token verified by the key may have.
func (k *Key) Algorithm() string { return k.method.Alg() }

// CanSign says whether the key is more than a public one.
func (k *Key) CanSign() bool { return k.sign != nil }

// Public is the key without the power to sign. Of a secret there is no such thing: it returns nil.
func (k *Key) Public() *Key {
	if _, ok := k.verify.([]byte); ok {
		return nil
	}
	return &Key{id: k.id, method: k.method, verify: k.verify}
}

// Derive makes a secret of 32 bytes for another purpose, always the same one for the same key and purpose.
func (k *Key) Derive(purpose string) ([]byte, error) {
	if !k.CanSign() {
		return nil, errors.New("wire: nothing secret can be derived from a public key")
	}
	secret, ok := k.sign.([]byte)
	if !ok {
		var err error
		if secret, err = x509.MarshalPKCS8PrivateKey(k.sign); err != nil {
			return nil, fmt.Errorf("wire: cannot derive a secret: %w", err)
		}
	}
	return hkdf.Key(sha256.New, secret, nil, purpose, 32)
}

// checkSecret refuses a secret that could be guessed, or that was copied from a manual.
func checkSecret(secret []byte) error {
	if len(secret) < MinSecret {
		return fmt.Errorf("wire: a secret of %d bytes is too short, %d are the least", len(secret), MinSecret)
	}
	lower := strings.ToLower(string(secret))
	for _, word := range []string{"secret", "change", "example", "sample", "insecure", "password", "0123456789abcdef"} {
		if strings.Contains(lower, word) {
			return fmt.Errorf("wire: the secret contains %q, like one that was copied from a manual", word)
		}
	}
	var seen [256]bool
	distinct := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	if distinct < 10 {
		return fmt.Errorf("wire: the secret has only %d different bytes", distinct)
	}
	return nil
}

// SameSecret reports whether two keys are one and the same secret: who checks tokens of one kind with it could make those
// of the other.
func SameSecret(a, b *Key) bool {
	const purpose = "are two keys the same"
	x, err := a.Derive(purpose)
	if err != nil {
		return false // a public key
	}
	y, err := b.Derive(purpose)
	return err == nil && subtle.ConstantTimeCompare(x, y) == 1
}
