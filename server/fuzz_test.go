package server

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// FuzzAccessToken: no text is a good access token but one that an application signed, and of what it signed nothing is
// believed that does not hold together. A name pretends to be nothing else.
//
// Faults: A4, A13
func FuzzAccessToken(f *testing.F) {
	key := mustKey(f, "h", []byte("u3Jk0w/9vQ1nZr7TgYb2xLm5PdHs8cAe"))
	access := Access{Keys: wire.Keys{key}, Issuer: "app", Audience: "editlock"}
	good, err := key.Sign("JWT", rawClaims(`{"sub":"7","name":"Ana","iss":"app","aud":"editlock","exp":1795435260,"rights":["edit:article/*"]}`))
	if err != nil {
		f.Fatal(err)
	}
	head, rest, _ := strings.Cut(good, ".")
	body, _, _ := strings.Cut(rest, ".")
	plain, _ := base64.RawURLEncoding.DecodeString(body)
	f.Add(string(plain), good)
	f.Add(`{"sub":"7","iss":"app","aud":["a","editlock"],"exp":1795435260.5,"nbf":1,"name":"\u202eana\n","rights":["watch:**","fly:x"]}`, head+"."+body+".")
	f.Add(`{"sub":"7","iss":"app","aud":"editlock","exp":1e300}`, "..")
	f.Add(`{"sub":"7","sub":"8","iss":"app","aud":"editlock","exp":1795435260}`, "")
	f.Fuzz(func(t *testing.T, claims, token string) {
		if id, err := access.verify(token, noon); err == nil && token != good {
			t.Fatalf("%q is good: %+v", token, id)
		} else if err != nil {
			wellRefused(t, err)
		}
		signed, err := key.Sign("JWT", rawClaims(claims))
		if err != nil {
			return // no JSON
		}
		id, err := access.verify(signed, noon)
		if err != nil {
			wellRefused(t, err)
			return
		}
		if id.user.ID == "" || len(id.user.ID) > maxUserID || !id.expires.After(noon) || id.expires.Unix() > lastYear {
			t.Fatalf("%s is good: %+v", claims, id)
		}
		if name := id.user.Name; cleanName(name) != name && !strings.HasSuffix(name, "…") || strings.ContainsAny(name, "\n\r\x00\u202e\u2028") || utf8.RuneCountInString(name) > maxName+1 {
			t.Fatalf("the name %q of %s", name, claims)
		}
		for _, r := range id.rights {
			if len(r.segments) == 0 && !r.rest {
				t.Fatalf("%s gives %+v", claims, r)
			}
		}
	})
}

// rawClaims is JSON that is signed as it is.
type rawClaims string

func (c rawClaims) MarshalJSON() ([]byte, error) { return []byte(c), nil }

func wellRefused(t *testing.T, err error) {
	if !errors.Is(err, wire.ErrBadToken) || !utf8.ValidString(err.Error()) || len(err.Error()) < 15 || len(err.Error()) > 700 {
		t.Fatalf("refused by %q", err)
	}
}

// FuzzRights: a right is refused in words, or allows exactly the resources that its pattern describes; and what one may
// watch by a prefix is what one may do with something below it.
func FuzzRights(f *testing.F) {
	for _, s := range [][2]string{
		{"edit:article/*", "article/42"}, {"edit:**", "a"}, {"watch:a/**", "a"}, {"watch:a/**", "a/b/c"}, {"edit:*/b/*", "x/b/y"}, {"take_over:a", "a"},
		{"edit:cafe\u0301/*", "caf\u00e9/1"}, {"administer:a*", "ab"}, {"fly:x", "x"}, {"edit:", ""}, {":a", "a"}, {"edit:a//b", "a"}, {"edit:**/x", "y/x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, resource string) {
		rs, err := parseRights([]string{text})
		if err != nil {
			wellRefused(t, err)
			if rs != nil || CheckRight(text) == nil {
				t.Fatalf("%q is refused, and yet %+v", text, rs)
			}
			return
		}
		if len(rs) == 0 {
			if unknownVerb([]string{text}) == "" {
				t.Fatalf("%q gives nothing, and nobody is told", text)
			}
			return
		}
		name, err := lease.ParseResource(resource)
		if err != nil || !utf8.ValidString(text) { // which a token cannot hold
			return
		}
		verb := rs[0].verb
		var expr []string
		for _, s := range rs[0].segments {
			if s == "*" {
				expr = append(expr, "[^/]+")
			} else {
				expr = append(expr, regexp.QuoteMeta(s))
			}
		}
		if rs[0].rest {
			expr = append(expr, "(?s:.+)")
		}
		if want := regexp.MustCompile("^" + strings.Join(expr, "/") + "$").MatchString(name); rs.allows(verb, name) != want {
			t.Fatalf("%q allows %q: %t", text, name, !want)
		}
		for _, v := range []string{verbEdit, verbWatch, verbTakeOver, verbAdminister} {
			if rs.allows(v, name) && v != verb && (v != verbWatch || verb != verbEdit && verb != verbAdminister) {
				t.Fatalf("%q lets one %s", text, v)
			}
		}
		segments := strings.Split(name, "/")
		for i := range segments {
			prefix := ""
			if i > 0 {
				prefix = strings.Join(segments[:i], "/") + "/"
			}
			some := rs.some(verb, prefix)
			if rs.allows(verb, name) && !some {
				t.Fatalf("%q allows %q, and nothing below %q", text, name, prefix)
			}
			if rs.allows(verb, name) && !strings.HasPrefix(name, rs.below(verb, prefix)) {
				t.Fatalf("%q allows %q, and all is said to be below %q", text, name, rs.below(verb, prefix))
			}
			if witness, ok := below(rs[0], segments[:i]); some && ok && !rs.allows(verb, witness) {
				t.Fatalf("%q allows something below %q, but not %q", text, prefix, witness)
			}
		}
	})
}

// below is a resource under a prefix for which a right might be, if it is one that can exist.
func below(r right, prefix []string) (string, bool) {
	name := append([]string{}, prefix...)
	for i := len(prefix); i < len(r.segments); i++ {
		if r.segments[i] == "*" {
			name = append(name, "x")
		} else {
			name = append(name, r.segments[i])
		}
	}
	if r.rest && len(name) <= max(len(r.segments), len(prefix)) {
		name = append(name, "x")
	}
	canonical, err := lease.ParseResource(strings.Join(name, "/"))
	return canonical, err == nil && canonical == strings.Join(name, "/")
}

// FuzzForwardedFor: whose connection it is, is said by the nearest proxy that is trusted, and by nobody beyond.
//
// Faults: A9
func FuzzForwardedFor(f *testing.F) {
	s := &Server{opts: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	f.Add("10.0.0.1:80", "203.0.113.9", "")
	f.Add("203.0.113.1:80", "198.51.100.1", "10.0.0.1")
	f.Add("[fd00::1]:80", "2001:db8:1:2:3:4:5:6, ::ffff:10.1.1.1", "fe80::1%eth0")
	f.Add("@", "1.2.3.4,,", " 10.0.0.2 , x")
	f.Fuzz(func(t *testing.T, remote, one, two string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {one, two}}}
		got := s.address(r)
		if got.Zone() != "" || got.Is4In6() || got.Is6() && netip.PrefixFrom(got, 64).Masked().Addr() != got {
			t.Fatalf("%v is no address to count by", got)
		}
		peer, _ := netip.ParseAddrPort(remote)
		if addr := peer.Addr().Unmap().WithZone(""); !s.trusted(peer.Addr().Unmap()) {
			if alone := s.address(&http.Request{RemoteAddr: remote}); alone != got || addr.Is4() && got != addr {
				t.Fatalf("%q counts as %v; without headers as %v", remote, got, alone)
			}
			return
		}
		// What the client itself writes stands before what our proxy adds, and changes nothing.
		honest := netip.MustParseAddr("198.51.100.7")
		r.Header["X-Forwarded-For"] = []string{one, two + ", " + honest.String()}
		if got := s.address(r); got != honest {
			t.Fatalf("%q, %q behind a proxy that says %v count as %v", one, two, honest, got)
		}
	})
}

// FuzzHandshakeHeaders: whatever the headers say, a page of a foreign origin gets no further than a refusal in words.
//
// Faults: A7
func FuzzHandshakeHeaders(f *testing.F) {
	s := &Server{opts: Options{Origins: []string{"https://app.example.com"}}}
	const key = "AAECAwQFBgcICQoLDA0ODw=="
	f.Add("https://app.example.com", "lock.example.com", "Upgrade", "websocket", key, "13", "editlock.v1")
	f.Add("http://lock.example.com", "lock.example.com:80", "keep-alive, upgrade", "WebSocket", key, "13", "x, editlock.v1")
	f.Add("null", "", "close", "h2c", "AAEC", "8", "editlock.v2")
	f.Add("https://app.example.com.attacker.example", "[::1]:443", "Upgrade\t", "websocket", key, "13", "editlock.v1")
	f.Add("http://x@lock.example.com", "lock.example.com", "Upgrade", "websocket", key, "13", "editlock.v1")
	f.Fuzz(func(t *testing.T, origin, host, connection, upgrade, key, version, protocol string) {
		h := http.Header{"Connection": {connection}, "Upgrade": {upgrade}, "Sec-Websocket-Key": {key},
			"Sec-Websocket-Version": {version}, "Sec-Websocket-Protocol": {protocol}, "Origin": {origin}}
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: host, Header: h, URL: &url.URL{Path: "/v1/socket"}}
		p := s.checkHandshake(r)
		if p != nil {
			if p.Status < 400 || p.Status > 426 || p.Code == "" || len(p.Detail) < 20 || len(p.Detail) > 600 || !utf8.ValidString(p.Detail) {
				t.Fatalf("refused by %+v", p)
			}
			return
		}
		scheme, rest, _ := strings.Cut(strings.ToLower(origin), "://")
		same := scheme == "https" && rest == strings.TrimSuffix(strings.ToLower(host), ":443") || scheme == "http" && rest == strings.TrimSuffix(strings.ToLower(host), ":80")
		if !strings.EqualFold(origin, s.opts.Origins[0]) && (!same || strings.ContainsAny(rest, "@/\\ ") || rest == "") {
			t.Fatalf("the origin %q may connect to %q", origin, host)
		}
		if !strings.EqualFold(upgrade, "websocket") || version != "13" {
			t.Fatalf("%q, %q upgrades", upgrade, version)
		}
		h.Del("Origin")
		if p := s.checkHandshake(r); p != nil {
			t.Fatalf("without an origin it is refused: %+v", p)
		}
		h["Origin"] = []string{origin, origin}
		if s.checkHandshake(r) == nil {
			t.Fatal("two origins")
		}
	})
}
