package json

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Append appends the JSON of a value: nil, a string, bool, int, int64, float64 or Value; a []any, []string, map[string]any or
// map[string]string. Members are sorted by name. Another type is an error, as are infinite numbers.
func Append(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return AppendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		return appendFloat(b, v)
	case Value:
		return appendValue(b, v), nil
	case []any:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	case map[string]any:
		return appendObject(b, v)
	case map[string]string:
		return appendObject(b, v)
	}
	return b, errors.New("a value of this type cannot be written as JSON: Append lists the types")
}

// AppendString appends the JSON of a string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	b = append(b, '"')
	for {
		i := special(s, 0)
		b = append(b, s[:i]...)
		if i == len(s) {
			return append(b, '"')
		}
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		s = s[i+1:]
	}
}

func appendValue(b []byte, v Value) []byte {
	if raw := v.Raw(); raw != "" {
		return append(b, raw...)
	}
	return append(b, "null"...)
}

func appendFloat(b []byte, f float64) ([]byte, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return b, errors.New("this number cannot be written as JSON: it is infinite, or not a number")
	}
	format := byte('f')
	if size := math.Abs(f); size >= 1e21 || size < 1e-6 && size > 0 {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64), nil
}

func appendList[T any](b []byte, list []T) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = Append(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject[T any](b []byte, members map[string]T) ([]byte, error) {
	b = append(b, '{')
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(AppendString(b, name), ':')
		var err error
		if b, err = Append(b, members[name]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}
