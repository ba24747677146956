//! An allocator that never frees: a call begins with the memory of the loaded module.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

struct Bump {
    top: Cell<usize>, // where free memory begins; 0 before the first allocation
}

// A module has one thread.
unsafe impl Sync for Bump {}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Bump = Bump { top: Cell::new(0) };

#[cfg(target_arch = "wasm32")]
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        use core::arch::wasm32::{memory_grow, memory_size};
        const PAGE: usize = 1 << 16;
        extern "C" {
            static __heap_base: u8;
        }
        let top = if self.top.get() == 0 { &__heap_base as *const u8 as usize } else { self.top.get() };
        let at = (top + layout.align() - 1) & !(layout.align() - 1);
        let end = match at.checked_add(layout.size()) {
            Some(end) => end,
            Option::None => return std::ptr::null_mut(),
        };
        let have = memory_size(0) * PAGE;
        if end > have && memory_grow(0, (end - have + PAGE - 1) / PAGE) == usize::MAX {
            return std::ptr::null_mut();
        }
        self.top.set(end);
        at as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    /// The last allocation grows where it is.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return at;
        }
        if at as usize + layout.size() == self.top.get() {
            let more = Layout::from_size_align_unchecked(size - layout.size(), 1);
            return if self.alloc(more).is_null() { std::ptr::null_mut() } else { at };
        }
        let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !to.is_null() {
            std::ptr::copy_nonoverlapping(at, to, layout.size());
        }
        to
    }
}
