// Typical code, to compare engines. Each function takes a number, and returns a checksum.
package main

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"math"
	"sort"
	"strconv"
	"strings"
)

func main() {}

func sum(s string) int32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return int32(h.Sum32())
}

//go:wasmexport sorting
func sorting(n int32) int32 {
	seed := uint32(n)
	words := make([]string, 200)
	for i := range words {
		seed = seed*1664525 + 1013904223
		words[i] = strconv.FormatUint(uint64(seed), 36)
	}
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	return sum(strings.Join(words, " "))
}

//go:wasmexport encoding
func encoding(n int32) int32 {
	type node struct {
		Name  string
		Value float64
		Kids  []*node
	}
	var grow func(depth int32) *node
	grow = func(depth int32) *node {
		k := &node{Name: strconv.Itoa(int(depth * n)), Value: math.Sqrt(float64(depth)) * float64(n)}
		if depth > 0 {
			k.Kids = []*node{grow(depth - 1), grow(depth - 2)}
		}
		return k
	}
	b, err := json.Marshal(grow(5))
	if err != nil {
		return -1
	}
	var back node
	if err := json.Unmarshal(b, &back); err != nil {
		return -2
	}
	again, _ := json.Marshal(back)
	return sum(string(again))
}

//go:wasmexport switching
func switching(n int32) (result int32) {
	defer func() {
		if r := recover(); r != nil {
			result = sum(r.(error).Error())
		}
	}()
	x, done := uint64(n), make(chan uint64)
	go func() {
		for i := range uint64(500) {
			switch x % 6 {
			case 0:
				x = x*3 + i
			case 1:
				x ^= x >> 7
			case 2, 3:
				x += 11
			default:
				x = x<<3 | x>>61
			}
		}
		done <- x
	}()
	if <-done; n%3 == 0 {
		panic(errors.New("no " + strconv.FormatUint(x, 16)))
	}
	return int32(x)
}
