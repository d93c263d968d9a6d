#include "support/mac/stand_in.h"

#import <CoreFoundation/CoreFoundation.h>
#import <Foundation/Foundation.h>
#import <LocalAuthentication/LocalAuthentication.h>

#include <cstdlib>
#include <cstring>
#include <utility>

extern "C" {
id class_createInstance(Class type, std::size_t extra);
id object_dispose(id object);
void* _Block_copy(const void* block);
void _Block_release(const void* block);
}

#ifdef SHED_SANITIZED
// The runtime keeps its own tables to the end; objects and blocks are not allocated by that function.
extern "C" const char* __lsan_default_suppressions() { return "leak:objc_malloc\n"; }
#endif

using Reply = void (^)(BOOL success, NSError* error);

namespace shed::mac {

namespace {
System* current = nullptr;
}

struct System::Hidden {
  Reply reply = nullptr;
  std::string fallback_title = "not set";
  std::vector<std::string> posted;
  struct Observer {
    void* who;
    CFNotificationCallback callback;
    std::string name;
  };
  std::vector<Observer> list;
};

System::System() : hidden(new Hidden) { current = this; }
System::~System() {
  forget();
  delete hidden;
  current = nullptr;
}

void System::answer(bool success, long code) {
  const Reply reply = std::exchange(hidden->reply, nullptr);
  std::thread([reply, success, code] {
    NSError* const error = code == 0 ? nil : [[NSError alloc] initWithCode:code];
    reply(success ? YES : NO, error);
    [error release];
    _Block_release(reinterpret_cast<const void*>(reply));
  }).join();
}

void System::forget() {
  if (hidden->reply == nullptr) return;
  _Block_release(reinterpret_cast<const void*>(std::exchange(hidden->reply, nullptr)));
}

void System::post(const std::string& name) { hidden->posted.push_back(name); }

}  // namespace shed::mac

using shed::mac::current;

@implementation NSObject
+ (id)alloc {
  NSObject* const object = class_createInstance(self, 0);
  object->references_ = 1;
  return object;
}
- (id)init {
  return self;
}
- (id)retain {
  ++references_;
  return self;
}
- (void)release {
  if (--references_ == 0) [self dealloc];
}
- (void)dealloc {
  object_dispose(self);
}
@end

@implementation NSString
- (id)initWithUTF8String:(const char*)text {
  text_ = strdup(text);
  return self;
}
- (const char*)UTF8String {
  return text_;
}
- (void)dealloc {
  std::free(text_);
  [super dealloc];
}
@end

@implementation NSError
- (id)initWithCode:(NSInteger)code {
  code_ = code;
  return self;
}
- (NSInteger)code {
  return code_;
}
@end

@implementation LAContext
- (id)init {
  ++current->contexts;
  current->hidden->fallback_title = "not set";
  return self;
}
- (BOOL)canEvaluatePolicy:(LAPolicy)policy error:(NSError**)error {
  if (current->cannot == 0) return YES;
  // The caller does not own it.
  static NSError* last = nil;
  [last release];
  last = [[NSError alloc] initWithCode:current->cannot];
  if (!current->without_error) *error = last;
  return NO;
}
- (void)evaluatePolicy:(LAPolicy)policy
       localizedReason:(NSString*)reason
                 reply:(void (^)(BOOL success, NSError* error))reply {
  current->asked.push_back({policy, [reason UTF8String], current -> hidden -> fallback_title});
  current->forget();
  current->hidden->reply = (Reply)_Block_copy(reinterpret_cast<const void*>(reply));
}
- (void)setLocalizedFallbackTitle:(NSString*)title {
  current->hidden->fallback_title = [title UTF8String];
}
- (void)invalidate {
  invalidated_ = YES;
  ++current->invalidated;
}
- (void)dealloc {
  --current->contexts;
  [super dealloc];
}
@end

CFNotificationCenterRef CFNotificationCenterGetDistributedCenter() { return nullptr; }

void CFNotificationCenterAddObserver(CFNotificationCenterRef, const void* observer,
                                     CFNotificationCallback callback, CFStringRef name, const void*,
                                     CFNotificationSuspensionBehavior) {
  current->hidden->list.push_back({const_cast<void*>(observer), callback, name});
  ++current->observers;
}

void CFNotificationCenterRemoveEveryObserver(CFNotificationCenterRef, const void* observer) {
  current->observers -= static_cast<int>(
      std::erase_if(current->hidden->list, [&](const auto& entry) { return entry.who == observer; }));
}

// Delivers what was posted, as the main thread's run loop does.
int CFRunLoopRunInMode(CFRunLoopMode, double, bool) {
  for (const std::string& name : std::exchange(current->hidden->posted, {})) {
    for (const auto& entry : current->hidden->list) {
      if (entry.name == name) entry.callback(nullptr, entry.who, name.c_str(), nullptr, nullptr);
    }
  }
  return 1;
}
