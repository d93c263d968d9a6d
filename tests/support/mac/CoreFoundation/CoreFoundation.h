// A stand-in for the little of CoreFoundation that we use. See stand_in.h.
#pragma once

typedef const char* CFStringRef;
typedef CFStringRef CFNotificationName;
typedef CFStringRef CFRunLoopMode;
typedef const void* CFDictionaryRef;
typedef struct StandInCenter* CFNotificationCenterRef;
typedef void (*CFNotificationCallback)(CFNotificationCenterRef center, void* observer,
                                       CFNotificationName name, const void* object, CFDictionaryRef info);
typedef enum { CFNotificationSuspensionBehaviorDeliverImmediately = 4 } CFNotificationSuspensionBehavior;

#define CFSTR(text) (text)
#define kCFRunLoopDefaultMode CFSTR("kCFRunLoopDefaultMode")

CFNotificationCenterRef CFNotificationCenterGetDistributedCenter();
void CFNotificationCenterAddObserver(CFNotificationCenterRef center, const void* observer,
                                     CFNotificationCallback callback, CFStringRef name, const void* object,
                                     CFNotificationSuspensionBehavior behavior);
void CFNotificationCenterRemoveEveryObserver(CFNotificationCenterRef center, const void* observer);
int CFRunLoopRunInMode(CFRunLoopMode mode, double seconds, bool return_after_one);
