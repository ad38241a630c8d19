package wire_test

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	stdjson "encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/editlock/editlock/wire"
)

// FuzzDecodeRequest: what a client sends is refused in words, or is a request that means the same when it is written again.
//
// Faults: A2
func FuzzDecodeRequest(f *testing.F) {
	for _, v := range vectors[frameVector](f, "requests.json") {
		f.Add([]byte(v.Frame))
	}
	for _, v := range vectors[struct {
		Name string    `json:"name"`
		Text string    `json:"text"`
		Code wire.Code `json:"code"`
		ID   int64     `json:"id"`
	}](f, "refused.json") {
		f.Add([]byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, refused := wire.DecodeRequest(data)
		if refused != nil {
			wellRefused(t, refused, r)
			return
		}
		if r.RequestID() < 0 || r.RequestID() > wire.MaxID || r.RequestID() == 0 && r.Kind() != "pong" {
			t.Fatalf("%s has the id %d", data, r.RequestID())
		}
		strict(t, data)
		text, err := wire.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		again, refused := wire.DecodeRequest(text)
		if refused != nil {
			t.Fatalf("%s is refused: %v", text, refused)
		}
		if second, _ := wire.Encode(again); !bytes.Equal(second, text) {
			t.Fatalf("%s became %s", text, second)
		}
	})
}

// wellRefused: a refusal says what is wrong, to a person, and can be sent.
func wellRefused(t *testing.T, refused *wire.Error, r wire.Request) {
	if r != nil {
		t.Fatalf("refused, and yet %+v", r)
	}
	if refused.Code != wire.BadJSON && refused.Code != wire.BadRequest || refused.ID < 0 || refused.ID > wire.MaxID {
		t.Fatalf("refused as %+v", refused)
	}
	if n := len(refused.Message); n < 20 || n > 400 || !strings.ContainsAny(refused.Message[n-1:], ".?") || !utf8.ValidString(refused.Message) {
		t.Fatalf("refused by %q", refused.Message)
	}
	if _, err := wire.Encode(refused); err != nil {
		t.Fatalf("the answer cannot be sent: %v", err)
	}
}

// strict: what was taken is one object that any other parser reads too, with no member twice and not too deep.
func strict(t *testing.T, data []byte) {
	if !utf8.Valid(data) || !stdjson.Valid(data) {
		t.Fatalf("taken, and no JSON: %q", data)
	}
	dec := stdjson.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		object bool
		name   bool // a name comes next
		seen   map[string]bool
	}
	var stack []*level
	for first := true; first || len(stack) > 0; first = false {
		tok, err := dec.Token()
		if err != nil {
			t.Fatalf("taken, and read otherwise: %v in %q", err, data)
		}
		var top *level
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		name, isText := tok.(string)
		if top != nil && top.object && top.name && isText {
			if top.seen[name] {
				t.Fatalf("taken with %q twice: %q", name, data)
			}
			top.seen[name], top.name = true, false
			continue
		}
		if top != nil {
			top.name = top.object
		}
		switch tok {
		case stdjson.Delim('{'):
			stack = append(stack, &level{object: true, name: true, seen: map[string]bool{}})
		case stdjson.Delim('['):
			stack = append(stack, &level{})
		case stdjson.Delim('}'), stdjson.Delim(']'):
			stack = stack[:len(stack)-1]
		default:
			if len(stack) == 0 {
				t.Fatalf("taken, and no object: %q", data)
			}
		}
		if len(stack) > wire.MaxDepth {
			t.Fatalf("taken, and nested %d deep: %q", len(stack), data)
		}
	}
}

// FuzzDecodeReply is FuzzDecodeRequest for a client, whose server may be anybody too.
func FuzzDecodeReply(f *testing.F) {
	for _, v := range vectors[frameVector](f, "replies.json") {
		f.Add([]byte(v.Frame))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := wire.DecodeReply(data)
		if err != nil || r == nil {
			if r != nil {
				t.Fatalf("%v, and yet %+v", err, r)
			}
			return
		}
		strict(t, data)
		text, err := wire.Encode(r)
		if err != nil {
			t.Fatalf("%s cannot be written again: %v", data, err)
		}
		again, err := wire.DecodeReply(text)
		if err != nil {
			t.Fatalf("%s is refused: %v", text, err)
		}
		if second, _ := wire.Encode(again); !bytes.Equal(second, text) {
			t.Fatalf("%s became %s", text, second)
		}
	})
}

// FuzzLockToken: no text is a good lock token but one that was signed; and of what is signed properly nothing is
// believed that does not hold together.
//
// Faults: A4
func FuzzLockToken(f *testing.F) {
	key := newKey(f, "k1", secret)
	good, err := wire.SignLock(key, aLock)
	if err != nil {
		f.Fatal(err)
	}
	head, rest, _ := strings.Cut(good, ".")
	body, _, _ := strings.Cut(rest, ".")
	decode := func(s string) []byte { b, _ := base64.RawURLEncoding.DecodeString(s); return b }
	f.Add(decode(head), decode(body), good)
	f.Add([]byte(`{"alg":"none","typ":"editlock-lock+jwt","kid":"k1"}`), []byte(`{"fence":1.5}`), "..")
	f.Add([]byte(`{"alg":"HS256","typ":"editlock-lock+jwt","kid":"k1","crit":["b64"]}`), decode(body), good+"A")
	f.Fuzz(func(t *testing.T, header, claims []byte, token string) {
		if l, err := wire.VerifyLock(wire.Keys{key}, token, noon); err == nil && (l != aLock || token != good) {
			t.Fatalf("%q is good: %+v", token, l)
		} else if err != nil {
			refusedToken(t, err)
		}
		text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(text))
		signed := text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
		l, err := wire.VerifyLock(wire.Keys{key}, signed, noon)
		if err != nil {
			refusedToken(t, err)
			if (l != wire.Lock{}) != errors.Is(err, wire.ErrExpired) {
				t.Fatalf("%v, and yet %+v", err, l)
			}
			return
		}
		strict(t, claims)
		if l.User == "" || l.Session == "" || l.Resource == "" || l.Fence < 1 || l.Fence > wire.MaxFence || !l.Expires.After(noon) {
			t.Fatalf("%s is good: %+v", claims, l)
		}
		var h struct {
			Alg string `json:"alg"`
			Typ string `json:"typ"`
		}
		if err := stdjson.Unmarshal(header, &h); err != nil || h.Alg != "HS256" || !strings.EqualFold(h.Typ, "editlock-lock+jwt") {
			t.Fatalf("a token with the header %s is good", header)
		}
		again, err := wire.SignLock(key, l)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := wire.VerifyLock(wire.Keys{key}, again, noon); err != nil || read != l {
			t.Fatalf("%+v became %+v, %v", l, read, err)
		}
	})
}

func refusedToken(t *testing.T, err error) {
	if !errors.Is(err, wire.ErrBadToken) || len(err.Error()) > 600 || len(err.Error()) < len(wire.ErrBadToken.Error())+10 || !utf8.ValidString(err.Error()) {
		t.Fatalf("refused by %q", err)
	}
}

// FuzzResumeToken: no text is a good resume token but one that we signed; and what we signed is read back as it was.
//
// Faults: A4, B11
func FuzzResumeToken(f *testing.F) {
	good := wire.SignResume(secret, resume)
	body, _ := base64.RawURLEncoding.DecodeString(good)
	f.Add(good, body[:len(body)-sha256.Size], "s", "u", int64(3))
	f.Add("", []byte{1}, "", "", int64(0))
	f.Add("AA", []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "\x00", "\xff", int64(-1))
	f.Add("AA", []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "\x00", "\xff", int64(-1))
	f.Fuzz(func(t *testing.T, token string, body []byte, session, user string, epoch int64) {
		if r, err := wire.VerifyResume(secret, token); err == nil && (r != resume || token != good) {
			t.Fatalf("%q is good: %+v", token, r)
		} else if err != nil {
			refusedToken(t, err)
		}
		// A body that is signed as ours are, and yet is not ours: it is refused, or means something.
		m := hmac.New(sha256.New, secret)
		m.Write([]byte("editlock resume token\x00"))
		m.Write(body)
		if r, err := wire.VerifyResume(secret, base64.RawURLEncoding.EncodeToString(m.Sum(bytes.Clone(body)))); err != nil {
			refusedToken(t, err)
		} else if len(r.Session)+len(r.User) > len(body) {
			t.Fatalf("%q gave %+v", body, r)
		}
		made := wire.Resume{Session: session, User: user, Epoch: epoch}
		signed := wire.SignResume(secret, made)
		r, err := wire.VerifyResume(secret, signed)
		if len(signed) > wire.MaxBye {
			if err == nil {
				t.Fatalf("a token of %d bytes was read", len(signed))
			}
			return
		}
		if err != nil || r != made {
			t.Fatalf("%+v became %+v, %v", made, r, err)
		}
		for i := range min(len(signed), 40) { // another text is another token
			other := []byte(signed)
			other[i] ^= 1
			if got, err := wire.VerifyResume(secret, string(other)); err == nil {
				t.Fatalf("changed at %d it is %+v", i, got)
			}
		}
	})
}

// FuzzParseKey: a key file is refused in words, or gives a key that checks what it signed and nothing that another one did.
func FuzzParseKey(f *testing.F) {
	for _, material := range signers(f) {
		for _, text := range pems(f, material) {
			f.Add(text)
		}
	}
	f.Add(append(bytes.Clone(secret), '\n'))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	stranger := newKey(f, "", []byte("Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$"))
	strange, err := wire.SignLock(stranger, aLock)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := wire.ParseKey("", text)
		if err != nil {
			if k != nil || !strings.HasPrefix(err.Error(), "wire: ") || len(err.Error()) > 500 {
				t.Fatalf("%v, refused by %q", k, err)
			}
			return
		}
		if _, err := wire.VerifyLock(wire.Keys{k}, strange, noon); err == nil {
			t.Fatalf("%q checks what another key signed", text)
		}
		if !k.CanSign() {
			return
		}
		token, err := wire.SignLock(k, aLock)
		if err != nil {
			return // a private key that does not hold together
		}
		if l, err := wire.VerifyLock(wire.Keys{k}, token, aLock.Expires.Add(-time.Second)); err != nil || l != aLock {
			t.Fatalf("%q does not check what it signed: %+v, %v", text, l, err)
		}
	})
}

// pems writes a key as the files do in which it may come.
func pems(t testing.TB, material any) [][]byte {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(material)
	if err != nil {
		return nil // a secret is no PEM
	}
	public, err := x509.MarshalPKIXPublicKey(material.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}
}

// FuzzJWKS: a document of keys is refused in words, or gives public keys alone, each of which has one algorithm and lets no token pass
// that it did not sign. Nothing that it says makes a secret of it.
//
// Faults: A4, A5
func FuzzJWKS(f *testing.F) {
	for alg, material := range signers(f) {
		if alg != "HS256" {
			f.Add([]byte(`{"keys":[` + published(f, alg, material, "") + `]}`))
		}
	}
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"dTNKazB3Lzl2UTFuWnI3VGdZYjJ4TG01UGRIczhjQWU","alg":"HS256"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}],"keys":[]}`))
	token, err := wire.SignLock(newKey(f, "", secret), aLock)
	if err != nil {
		f.Fatal(err)
	}
	body := strings.Split(token, ".")[1]
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, left, err := wire.ParseJWKS(data)
		if err != nil {
			if keys != nil || !strings.HasPrefix(err.Error(), "wire: ") || len(err.Error()) > 300 {
				t.Fatalf("%v, refused by %q", keys, err)
			}
		} else if len(keys) == 0 || len(keys) > 100 {
			t.Fatalf("%d keys, and no word about it", len(keys))
		}
		for _, why := range left {
			if len(why) < 10 || len(why) > 400 || !utf8.ValidString(why) {
				t.Fatalf("left out by %q", why)
			}
		}
		seen := map[string]bool{}
		for _, k := range keys {
			if k.CanSign() || k.Public() == nil || k.Algorithm() == "HS256" || len(k.ID()) > 256 || seen[k.ID()] {
				t.Fatalf("the key %q (%s) of %s", k.ID(), k.Algorithm(), data)
			}
			seen[k.ID()] = true
			for _, alg := range []string{"HS256", "none", k.Algorithm()} { // signed with what everybody knows: the document
				head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"editlock-lock+jwt"}`))
				m := hmac.New(sha256.New, data)
				m.Write([]byte(head + "." + body))
				if _, err := wire.VerifyLock(wire.Keys{k}, head+"."+body+"."+base64.RawURLEncoding.EncodeToString(m.Sum(nil)), noon); err == nil {
					t.Fatalf("a token signed by %s is good", alg)
				}
			}
		}
	})
}
