package lease_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/editlock/editlock/lease"
)

// Faults: A3
func TestParseResource(t *testing.T) {
	long := strings.Repeat("a", 512)
	for _, c := range []struct{ name, in, want, why string }{
		{"plain", "article/42", "article/42", ""},
		{"one segment", "a", "a", ""},
		{"inner space", "my article/42", "my article/42", ""},
		{"dots that are a name", "article/...", "article/...", ""},
		{"punctuation", "article/42:de-CH,(x)&y=1%20;@!'", "article/42:de-CH,(x)&y=1%20;@!'", ""},
		{"composed", "caf\u00e9", "caf\u00e9", ""},
		{"decomposed", "cafe\u0301", "caf\u00e9", ""},
		{"singleton", "\u212b", "\u00c5", ""},
		{"hangul jamo", "\u1112\u1161\u11ab", "\ud55c", ""},
		{"marks in another order", "a\u0315\u0300", "\u00e0\u0315", ""},
		{"emoji", "note/\U0001f600", "note/\U0001f600", ""},
		{"512 bytes", long, long, ""},
		{"512 bytes once normalised", strings.Repeat("e\u0301", 256), strings.Repeat("\u00e9", 256), ""},

		{"empty", "", "", "empty"},
		{"513 bytes", long + "a", "", "longer than 512"},
		{"10 kB", strings.Repeat("a", 10_000), "", "longer than 512"},
		{"10 kB of marks", "a" + strings.Repeat("\u0301", 5_000), "", "longer than 512"},
		{"bad UTF-8", "article/\xff", "", "UTF-8"},
		{"surrogate", "article/\xed\xa0\x80", "", "UTF-8"},
		{"overlong slash", "article\xc0\xaf42", "", "UTF-8"},
		{"NUL", "article/4\x002", "", "control character U+0000"},
		{"newline", "article/42\n", "", "control character U+000A"},
		{"DEL", "article/\x7f", "", "control character U+007F"},
		{"C1", "article/\u0085", "", "control character U+0085"},
		{"leading slash", "/article/42", "", "empty segment"},
		{"trailing slash", "article/42/", "", "empty segment"},
		{"doubled slash", "article//42", "", "empty segment"},
		{"only a slash", "/", "", "empty segment"},
		{"dot", "article/./42", "", `segment "."`},
		{"parent", "article/../admin", "", `segment ".."`},
		{"parent at the end", "article/..", "", `segment ".."`},
		{"star", "article/*", "", `'*'`},
		{"two stars", "article/**", "", `'*'`},
		{"question mark", "article/42?x", "", `'?'`},
		{"hash", "article/42#title", "", `'#'`},
		{"backslash", `article\42`, "", `'\\'`},
		{"right-to-left override", "article/\u202e24", "", "format character U+202E"},
		{"isolate", "article/\u206642", "", "format character U+2066"},
		{"zero width space", "article/4\u200b2", "", "format character U+200B"},
		{"zero width joiner", "article/4\u200d2", "", "format character U+200D"},
		{"byte order mark", "\ufeffarticle/42", "", "format character U+FEFF"},
		{"soft hyphen", "arti\u00adcle/42", "", "format character U+00AD"},
		{"tag", "article/\U000e0041", "", "format character"},
		{"line separator", "a\u2028b", "", "separator U+2028"},
		{"paragraph separator", "a\u2029b", "", "separator U+2029"},
		{"private use", "article/\ue000", "", "private use"},
		{"private use, plane 16", "article/\U00100000", "", "private use"},
		{"unassigned", "article/\u0378", "", "unassigned"},
		{"noncharacter", "article/\uffff", "", "unassigned"},
		{"leading space", "article/ 42", "", "white space"},
		{"trailing space", "article /42", "", "white space"},
		{"no-break space", "article/42\u00a0", "", "white space"},
		{"ideographic space", "\u3000article", "", "white space"},
		{"only a space", "article/ ", "", "white space"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, lease.ParseResource, c.in, c.want, c.why)
		})
	}
}

// Faults: A3
func TestParsePart(t *testing.T) {
	for _, c := range []struct{ name, in, want, why string }{
		{"plain", "title", "title", ""},
		{"decomposed", "re\u0301sume\u0301", "r\u00e9sum\u00e9", ""},
		{"64 bytes", strings.Repeat("a", 64), strings.Repeat("a", 64), ""},
		{"65 bytes", strings.Repeat("a", 65), "", "longer than 64"},
		{"empty", "", "", "empty"},
		{"two segments", "a/b", "", "one segment"},
		{"parent", "..", "", "not allowed"},
		{"hash", "a#b", "", "not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, lease.ParsePart, c.in, c.want, c.why)
		})
	}
}

// Faults: A3
func TestParsePrefix(t *testing.T) {
	long := strings.Repeat("a", 512)
	for _, c := range []struct{ name, in, want, why string }{
		{"all", "", "", ""},
		{"plain", "article/", "article/", ""},
		{"deeper", "article/42/", "article/42/", ""},
		{"decomposed", "cafe\u0301/", "caf\u00e9/", ""},
		{"the longest", long + "/", long + "/", ""},
		{"no slash", "article", "", "ends in"},
		{"only a slash", "/", "", "empty"},
		{"two slashes", "article//", "", "empty segment"},
		{"star", "article/*/", "", "not allowed"},
		{"too long", long + "a/", "", "longer than 512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, lease.ParsePrefix, c.in, c.want, c.why)
		})
	}
}

func check(t *testing.T, parse func(string) (string, error), in, want, why string) {
	t.Helper()
	got, err := parse(in)
	if why == "" {
		if err != nil || got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		return
	}
	if !errors.Is(err, lease.ErrBadResource) || !strings.Contains(err.Error(), why) {
		t.Fatalf("error %v; want ErrBadResource that says %q", err, why)
	}
	if got != "" {
		t.Fatalf("a refused name came back as %q", got)
	}
}
