//! An allocator that never frees: a call begins with the memory of the loaded module.

use core::arch::wasm32::{memory_grow, memory_size};
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

/// Between top and limit memory is free; both are 0 before the first allocation.
struct Bump {
    top: Cell<usize>,
    limit: Cell<usize>,
}

// A module has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static ALLOCATOR: Bump = Bump { top: Cell::new(0), limit: Cell::new(0) };

const PAGE: usize = 1 << 16;

impl Bump {
    #[cold]
    #[inline(never)]
    fn grow(&self, end: usize) -> bool {
        let pages = (end - self.limit.get() + PAGE - 1) / PAGE;
        let grown = memory_grow(0, pages) != usize::MAX;
        if grown {
            self.limit.set(self.limit.get() + pages * PAGE);
        }
        grown
    }
}

unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        extern "C" {
            static __heap_base: u8;
        }
        if self.limit.get() == 0 {
            self.top.set(&__heap_base as *const u8 as usize);
            self.limit.set(memory_size(0) * PAGE);
        }
        let at = (self.top.get() + layout.align() - 1) & !(layout.align() - 1);
        let end = at + layout.size();
        if end > self.limit.get() && !self.grow(end) {
            return std::ptr::null_mut();
        }
        self.top.set(end);
        at as *mut u8
    }

    /// Memory is zero, because none is used twice.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.alloc(layout)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    /// The last allocation grows where it is, if there is room.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return at;
        }
        let more = size - layout.size();
        if at as usize + layout.size() == self.top.get() && more <= self.limit.get() - self.top.get() {
            self.top.set(self.top.get() + more);
            return at;
        }
        let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !to.is_null() {
            std::ptr::copy_nonoverlapping(at, to, layout.size());
        }
        to
    }
}
