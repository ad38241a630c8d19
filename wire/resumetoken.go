package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Resume is what a resume token says: which session, of which user, and the epoch it was issued with.
type Resume struct {
	Session string
	User    string
	Epoch   int64
}

const resumeVersion = 1

// SignResume makes the token that lets a session come back. It is always the same one for the same
// content, since a repeated attempt must get the same answer.
func SignResume(secret []byte, r Resume) string {
	b := []byte{resumeVersion}
	b = binary.AppendUvarint(b, uint64(r.Epoch))
	b = appendText(b, r.Session)
	b = appendText(b, r.User)
	return strict64.EncodeToString(append(b, sum(secret, b)...))
}

// VerifyResume reads a resume token back. The error wraps ErrBadToken.
func VerifyResume(secret []byte, token string) (Resume, error) {
	if len(token) > MaxBye {
		return Resume{}, refuse("it is too long")
	}
	b, err := unpack(token)
	if err != nil || len(b) <= sha256.Size {
		return Resume{}, refuse("it is malformed")
	}
	b, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if !hmac.Equal(mac, sum(secret, b)) {
		return Resume{}, refuse("its signature is wrong")
	}
	if b[0] != resumeVersion {
		return Resume{}, refuse("it is of another version")
	}
	epoch, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return Resume{}, refuse("it is malformed")
	}
	session, b, ok := cutText(b[1+n:])
	user, b, ok2 := cutText(b)
	if !ok || !ok2 || len(b) != 0 {
		return Resume{}, refuse("it is malformed")
	}
	return Resume{Session: session, User: user, Epoch: int64(epoch)}, nil
}

func sum(secret, b []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("editlock resume token\x00"))
	h.Write(b)
	return h.Sum(nil)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutText(b []byte) (string, []byte, bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return "", nil, false
	}
	return string(b[n : n+int(size)]), b[n+int(size):], true
}

func expired(at time.Time) error {
	return fmt.Errorf("%w: %w at %s", ErrBadToken, ErrExpired, at.UTC().Format(time.RFC3339))
}
