package server

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// The verbs of rights.
const (
	verbEdit       = "edit"
	verbWatch      = "watch"
	verbTakeOver   = "take_over"
	verbAdminister = "administer"
)

// right is one right of an access token: a verb, and the resources that it is for.
type right struct {
	verb     string
	segments []string // "*" stands for any one
	rest     bool     // followed by one segment or more
}

type rights []right

// parseRights reads "verb:pattern". A verb of a later version gives no right; a pattern that means nothing is
// refused, since whoever wrote it believes that it gives one.
func parseRights(list []string) (rights, error) {
	var rs rights
	for _, text := range list {
		verb, pattern, ok := strings.Cut(text, ":")
		if !ok || verb == "" {
			return nil, refuse("the right %q is not of the form verb:pattern, as in edit:article/*", clip(text))
		}
		r := right{verb: verb, segments: strings.Split(norm.NFC.String(pattern), "/")}
		if last := len(r.segments) - 1; r.segments[last] == "**" {
			r.rest, r.segments = true, r.segments[:last]
		}
		for _, s := range r.segments {
			if s == "" || s != "*" && strings.Contains(s, "*") {
				return nil, refuse("in the right %q, * must stand for a whole segment, and ** only at the end", clip(text))
			}
		}
		switch verb {
		case verbEdit, verbWatch, verbTakeOver, verbAdminister:
			rs = append(rs, r)
		}
	}
	return rs, nil
}

// unknownVerb returns the first of the rights whose verb this version does not know: most likely it is mistyped.
func unknownVerb(list []string) string {
	for _, text := range list {
		switch verb, _, _ := strings.Cut(text, ":"); verb {
		case verbEdit, verbWatch, verbTakeOver, verbAdminister:
		default:
			return clip(text)
		}
	}
	return ""
}

// CheckRight says what is wrong with a right, written as in an access token, that every server would refuse.
func CheckRight(text string) error {
	_, err := parseRights([]string{text})
	return err
}

// grants says whether the right's verb is, or includes, verb. Who may edit, or end another's hold, may see who holds.
func (r right) grants(verb string) bool {
	return r.verb == verb || verb == verbWatch && (r.verb == verbEdit || r.verb == verbAdminister)
}

// allows says whether one may do verb with a resource, whose name is canonical.
func (rs rights) allows(verb, resource string) bool {
	return slices.ContainsFunc(rs, func(r right) bool {
		if !r.grants(verb) {
			return false
		}
		left, more := resource, true
		for _, want := range r.segments {
			if !more {
				return false
			}
			var got string
			if got, left, more = strings.Cut(left, "/"); want != "*" && want != got {
				return false
			}
		}
		return r.rest == more
	})
}

// some says whether there may be a resource under a canonical prefix with which one may do verb.
func (rs rights) some(verb, prefix string) bool {
	return slices.ContainsFunc(rs, func(r right) bool {
		if !r.grants(verb) {
			return false
		}
		i := 0
		for segment := range strings.SplitSeq(strings.TrimSuffix(prefix, "/"), "/") {
			if prefix == "" {
				break
			}
			if i == len(r.segments) {
				return r.rest
			}
			if want := r.segments[i]; want != "*" && want != segment {
				return false
			}
			i++
		}
		return i < len(r.segments) || r.rest
	})
}

// below is the longest prefix, not shorter than the given one, below which all is with which one may do verb: nobody has to look elsewhere.
func (rs rights) below(verb, prefix string) string {
	found, longest := false, ""
	for _, r := range rs {
		if !r.grants(verb) || !(rights{r}).some(verb, prefix) {
			continue
		}
		literal := ""
		for i, segment := range r.segments {
			if segment == "*" || i == len(r.segments)-1 && !r.rest {
				break // the last one is the resource itself
			}
			literal += segment + "/"
		}
		if found {
			literal = common(literal, longest)
		}
		found, longest = true, literal
	}
	return max(longest, prefix) // both begin alike, so the greater is the longer
}

// common is what two prefixes begin with, in whole segments.
func common(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[:strings.LastIndexByte(a[:i], '/')+1]
}

// verbs lists what one may do at all, for the page to know what to offer.
func (rs rights) verbs() []string {
	list := []string{}
	for _, verb := range []string{verbEdit, verbWatch, verbTakeOver, verbAdminister} {
		if slices.ContainsFunc(rs, func(r right) bool { return r.grants(verb) }) {
			list = append(list, verb)
		}
	}
	return list
}

// clip keeps text from outside short in messages and in the log.
func clip(s string) string {
	const limit = 64
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
