// A stand-in for the little of Foundation that we use, on the runtime of GCC. See stand_in.h.
#pragma once

#include <cstddef>

typedef signed char BOOL;
typedef long NSInteger;
#define YES static_cast<BOOL>(1)
#define NO static_cast<BOOL>(0)
#ifndef nil
#define nil nullptr
#endif

__attribute__((objc_root_class))
@interface NSObject {
  Class isa;
  int references_;
}
+ (id)alloc;
- (id)init;
- (id)retain;
- (void)release;
- (void)dealloc;
@end

@interface NSString : NSObject {
  char* text_;
}
- (id)initWithUTF8String:(const char*)text;
- (const char*)UTF8String;
@end

@interface NSError : NSObject {
  NSInteger code_;
}
- (id)initWithCode:(NSInteger)code;
- (NSInteger)code;
@end
