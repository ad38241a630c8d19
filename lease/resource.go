package lease

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of names, in bytes of their canonical form.
const (
	MaxResource = 512
	MaxPart     = 64
)

// maxRaw bounds what is normalised at all: normal form C makes a name at most 4 times shorter, so a longer
// input cannot have a canonical form within the limit, and need not be paid for.
const maxRaw = 4 * MaxResource

// ErrBadResource is wrapped by every refusal of a name. The message says why, and is fit to be shown.
var ErrBadResource = errors.New("not a resource name")

// ParseResource returns the canonical form (NFC) of a resource name such as "article/42", or an error that
// wraps ErrBadResource. A canonical name is its own canonical form.
func ParseResource(name string) (canonical string, err error) {
	canonical, err = canonicalise(name, MaxResource)
	if err != nil {
		return "", err
	}
	for segment := range strings.SplitSeq(canonical, "/") {
		if err := checkSegment(segment); err != nil {
			return "", err
		}
	}
	return canonical, nil
}

// ParsePart returns the canonical form of the name of a part, which is one segment such as "title",
// or an error that wraps ErrBadResource.
func ParsePart(name string) (canonical string, err error) {
	canonical, err = canonicalise(name, MaxPart)
	if err != nil {
		return "", err
	}
	if strings.Contains(canonical, "/") {
		return "", refuse("a part is one segment, without \"/\"")
	}
	if err := checkSegment(canonical); err != nil {
		return "", err
	}
	return canonical, nil
}

// ParsePrefix returns the canonical form of what selects resources for watching: a resource name followed
// by "/", or the empty string, which selects all. An error wraps ErrBadResource.
func ParsePrefix(prefix string) (canonical string, err error) {
	if prefix == "" {
		return "", nil
	}
	name, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return "", refuse("a prefix ends in \"/\", as in \"article/\", or is empty to select all")
	}
	canonical, err = ParseResource(name)
	if err != nil {
		return "", err
	}
	return canonical + "/", nil
}

func canonicalise(name string, limit int) (string, error) {
	if name == "" {
		return "", refuse("it is empty")
	}
	if len(name) > maxRaw {
		return "", tooLong(limit)
	}
	if !utf8.ValidString(name) {
		return "", refuse("it is not valid UTF-8")
	}
	if name = norm.NFC.String(name); len(name) > limit {
		return "", tooLong(limit)
	}
	return name, nil
}

func checkSegment(segment string) error {
	switch segment {
	case "":
		return refuse("it has an empty segment; write \"article/42\", without a leading, trailing or doubled \"/\"")
	case ".", "..":
		return refuse("the segment %q is not allowed", segment)
	}
	for _, r := range segment {
		if err := checkRune(r); err != nil {
			return err
		}
	}
	first, _ := utf8.DecodeRuneInString(segment)
	last, _ := utf8.DecodeLastRuneInString(segment)
	if unicode.IsSpace(first) || unicode.IsSpace(last) {
		return refuse("the segment %q begins or ends with white space", segment)
	}
	return nil
}

func checkRune(r rune) error {
	switch {
	case strings.ContainsRune(`*?#\`, r):
		return refuse("the character %q is not allowed", r)
	case unicode.Is(unicode.Cc, r):
		return refuse("it contains the control character %U", r)
	case unicode.Is(unicode.Cf, r):
		return refuse("it contains the invisible format character %U", r)
	case unicode.In(r, unicode.Zl, unicode.Zp):
		return refuse("it contains the line or paragraph separator %U", r)
	case unicode.Is(unicode.Co, r):
		return refuse("it contains the private use character %U", r)
	case !unicode.IsGraphic(r): // what is left is unassigned: it has no normal form that every version of Unicode agrees on
		return refuse("it contains the unassigned code point %U", r)
	}
	return nil
}

func tooLong(limit int) error {
	return refuse("it is longer than %d bytes", limit)
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrBadResource}, args...)...)
}
