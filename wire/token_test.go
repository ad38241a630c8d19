package wire_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/editlock/editlock/wire"
)

var secret = []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe")

func newKey(t testing.TB, id string, material any) *wire.Key {
	t.Helper()
	k, err := wire.NewKey(id, material)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signers(t testing.TB) map[string]any {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"HS256": secret, "RS256": r, "EdDSA": ed,
		"ES256": curve(elliptic.P256()), "ES384": curve(elliptic.P384()), "ES512": curve(elliptic.P521()),
	}
}

var (
	noon   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	aLock  = wire.Lock{User: "7", Session: "s1", Resource: "article/42", Fence: 1763870000000123, Issued: noon, Expires: noon.Add(27 * time.Second)}
	resume = wire.Resume{Session: "s1", User: "7", Epoch: 3}
)

func TestLockTokenWithEveryKindOfKey(t *testing.T) {
	for alg, material := range signers(t) {
		t.Run(alg, func(t *testing.T) {
			key := newKey(t, "k1", material)
			if key.Algorithm() != alg || !key.CanSign() {
				t.Fatalf("algorithm %s, can sign: %t", key.Algorithm(), key.CanSign())
			}
			token, err := wire.SignLock(key, aLock)
			if err != nil {
				t.Fatal(err)
			}
			verifier := key
			if alg == "HS256" {
				if key.Public() != nil {
					t.Error("a secret has a public half")
				}
			} else {
				verifier = key.Public()
				if _, err := wire.SignLock(verifier, aLock); err == nil {
					t.Error("a public key signed")
				}
			}
			got, err := wire.VerifyLock(wire.Keys{verifier}, token, noon)
			if err != nil || got != aLock {
				t.Fatalf("got %+v, %v", got, err)
			}
			if _, err := wire.VerifyLock(wire.Keys{verifier}, token, aLock.Expires); !errors.Is(err, wire.ErrExpired) {
				t.Errorf("at its expiry: %v", err)
			}
			if _, err := wire.VerifyLock(wire.Keys{verifier}, token, aLock.Expires.Add(-time.Nanosecond)); err != nil {
				t.Errorf("just before: %v", err)
			}
		})
	}
}

func TestLockTokenNeverOutlivesItsGrant(t *testing.T) {
	key := newKey(t, "", secret)
	l := aLock
	l.Expires = noon.Add(1999 * time.Millisecond)
	token, err := wire.SignLock(key, l)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.VerifyLock(wire.Keys{key}, token, noon)
	if err != nil || got.Expires.After(l.Expires) {
		t.Fatalf("expires %v, %v", got.Expires, err)
	}
}

// Faults: A4
func TestForgedLockTokens(t *testing.T) {
	all := signers(t)
	hmac, ed := newKey(t, "h", secret), newKey(t, "e", all["EdDSA"])
	good, err := wire.SignLock(ed, aLock)
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	claims := `{"iss":"editlock","sub":"7","sid":"s1","res":"article/42","fence":1763870000000123,"iat":1,"exp":9999999999}`
	sign := func(k *wire.Key, typ string, claims any) string {
		t.Helper()
		token, err := k.Sign(typ, claims)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const typ = "editlock-lock+jwt"
	stranger := newKey(t, "e", signers(t)["EdDSA"])
	body := func(change func(map[string]any)) map[string]any {
		m := map[string]any{"iss": "editlock", "sub": "7", "sid": "s1", "res": "article/42", "fence": 5, "iat": 1, "exp": 9999999999}
		change(m)
		return m
	}
	for name, token := range map[string]string{
		"empty":                                 "",
		"dots":                                  "..",
		"one part":                              part[0],
		"two parts":                             part[0] + "." + part[1],
		"four parts":                            good + "." + part[2],
		"no signature":                          part[0] + "." + part[1] + ".",
		"signature cut":                         good[:len(good)-4],
		"other claims":                          part[0] + "." + b64([]byte(claims)) + "." + part[2],
		"alg none":                              b64([]byte(`{"alg":"none","typ":"editlock-lock+jwt","kid":"e"}`)) + "." + b64([]byte(claims)) + ".",
		"alg nOnE":                              b64([]byte(`{"alg":"nOnE","typ":"editlock-lock+jwt","kid":"e"}`)) + "." + b64([]byte(claims)) + ".",
		"padded":                                part[0] + "=." + part[1] + "." + part[2],
		"a stranger's key":                      sign(stranger, typ, body(func(map[string]any) {})),
		"another key of ours, moved":            strings.Replace(sign(hmac, typ, body(func(map[string]any) {})), b64([]byte(`{"alg":"HS256","typ":"editlock-lock+jwt","kid":"h"}`)), b64([]byte(`{"alg":"HS256","typ":"editlock-lock+jwt","kid":"e"}`)), 1),
		"an access token":                       sign(ed, "JWT", body(func(map[string]any) {})),
		"no typ":                                sign(ed, "", body(func(map[string]any) {})),
		"wrong issuer":                          sign(ed, typ, body(func(m map[string]any) { m["iss"] = "elsewhere" })),
		"no expiry":                             sign(ed, typ, body(func(m map[string]any) { delete(m, "exp") })),
		"no resource":                           sign(ed, typ, body(func(m map[string]any) { delete(m, "res") })),
		"no session":                            sign(ed, typ, body(func(m map[string]any) { delete(m, "sid") })),
		"no fence":                              sign(ed, typ, body(func(m map[string]any) { delete(m, "fence") })),
		"a fence that JSON numbers cannot hold": sign(ed, typ, body(func(m map[string]any) { m["fence"] = int64(1) << 53 })),
		"fence as text":                         sign(ed, typ, body(func(m map[string]any) { m["fence"] = "5" })),
		"1 MB":                                  good + strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			if l, err := wire.VerifyLock(wire.Keys{hmac, ed.Public()}, token, noon); !errors.Is(err, wire.ErrBadToken) {
				t.Errorf("got %+v, %v", l, err)
			}
		})
	}
	if _, err := wire.VerifyLock(wire.Keys{hmac, ed.Public()}, good, noon); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, material := range map[string]any{
		"short":     []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cA"),
		"empty":     []byte{},
		"manual":    []byte("a-string-secret-at-least-256-bits-long"),
		"default":   []byte("please-CHANGE-me-please-change-me-now"),
		"one byte":  []byte(strings.Repeat("x", 64)),
		"digits":    []byte("0123456789abcdef0123456789abcdef"),
		"weak RSA":  weak,
		"old curve": p224,
		"nothing":   nil,
		"a string":  "u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe",
	} {
		if _, err := wire.NewKey("", material); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseKey(t *testing.T) {
	for alg, material := range signers(t) {
		if alg == "HS256" {
			continue
		}
		private, err := x509.MarshalPKCS8PrivateKey(material)
		if err != nil {
			t.Fatal(err)
		}
		key, err := wire.ParseKey("k", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		if err != nil || key.Algorithm() != alg || !key.CanSign() {
			t.Errorf("%s: %v, %v", alg, key, err)
		}
		public, err := x509.MarshalPKIXPublicKey(material.(crypto.Signer).Public())
		if err == nil {
			key, err = wire.ParseKey("k", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
		}
		if err != nil || key.Algorithm() != alg || key.CanSign() {
			t.Errorf("%s, public: %v, %v", alg, key, err)
		}
	}
	if key, err := wire.ParseKey("", append(secret, '\r', '\n')); err != nil || key.Algorithm() != "HS256" {
		t.Errorf("a secret: %v, %v", key, err)
	}
	for name, text := range map[string]string{
		"cut PEM":   "-----BEGIN PRIVATE KEY-----\nMIIB",
		"no key":    string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")})),
		"not DER":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})),
		"too short": "hunter2",
	} {
		if _, err := wire.ParseKey("", []byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDerive(t *testing.T) {
	for alg, material := range signers(t) {
		key := newKey(t, "", material)
		a, err := key.Derive("resume")
		b, err2 := newKey(t, "other id", material).Derive("resume")
		c, err3 := key.Derive("something else")
		if err != nil || err2 != nil || err3 != nil || len(a) != 32 {
			t.Fatal(alg, err, err2, err3)
		}
		if string(a) != string(b) || string(a) == string(c) {
			t.Errorf("%s: must depend on key and purpose alone", alg)
		}
		if p := key.Public(); p != nil {
			if _, err := p.Derive("resume"); err == nil {
				t.Errorf("%s: derived a secret from a public key", alg)
			}
		}
	}
}

// Faults: B11
func TestResumeToken(t *testing.T) {
	token := wire.SignResume(secret, resume)
	if again := wire.SignResume(secret, resume); again != token {
		t.Error("a repeated attempt would get another answer")
	}
	got, err := wire.VerifyResume(secret, token)
	if err != nil || got != resume {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := wire.VerifyResume([]byte("another secret of another node...."), token); !errors.Is(err, wire.ErrBadToken) {
		t.Errorf("another secret: %v", err)
	}
	for i := range token {
		forged := []byte(token)
		if forged[i] = 'A'; token[i] == 'A' {
			forged[i] = 'B'
		}
		if _, err := wire.VerifyResume(secret, string(forged)); !errors.Is(err, wire.ErrBadToken) {
			t.Fatalf("accepted with byte %d changed: %v", i, err)
		}
	}
	for i := range token {
		if _, err := wire.VerifyResume(secret, token[:i]); !errors.Is(err, wire.ErrBadToken) {
			t.Fatalf("accepted cut to %d bytes: %v", i, err)
		}
	}
	for _, other := range []wire.Resume{{Session: "s2", User: "7", Epoch: 3}, {Session: "s1", User: "8", Epoch: 3}, {Session: "s1", User: "7", Epoch: 4}, {Session: "s17", User: "", Epoch: 3}} {
		if wire.SignResume(secret, other) == token {
			t.Errorf("%+v has the same token", other)
		}
	}
}

func TestTokenVectors(t *testing.T) {
	for _, v := range vectors[struct {
		Name   string `json:"name"`
		Secret string `json:"secret,omitzero"`
		Public string `json:"public,omitzero"`
		Token  string `json:"token"`
	}](t, "locktokens.json") {
		text := v.Secret + v.Public
		key, err := wire.ParseKey("k1", []byte(text))
		if err != nil {
			t.Fatal(v.Name, err)
		}
		if got, err := wire.VerifyLock(wire.Keys{key}, v.Token, noon); err != nil || got != aLock {
			t.Errorf("%s: %+v, %v", v.Name, got, err)
		}
	}
}

func BenchmarkSignLock(b *testing.B) {
	for alg, material := range signers(b) {
		b.Run(alg, func(b *testing.B) {
			key := newKey(b, "k1", material)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.SignLock(key, aLock); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
