// A stand-in for the little of LocalAuthentication that we use. See stand_in.h.
#pragma once

#import <Foundation/Foundation.h>

typedef enum LAPolicy : NSInteger {
  LAPolicyDeviceOwnerAuthenticationWithBiometrics = 1,
  LAPolicyDeviceOwnerAuthentication = 2,
} LAPolicy;

typedef enum LAError : NSInteger {
  LAErrorAuthenticationFailed = -1,
  LAErrorUserCancel = -2,
  LAErrorUserFallback = -3,
  LAErrorSystemCancel = -4,
  LAErrorPasscodeNotSet = -5,
  LAErrorBiometryNotAvailable = -6,
  LAErrorBiometryNotEnrolled = -7,
  LAErrorBiometryLockout = -8,
  LAErrorAppCancel = -9,
  LAErrorInvalidContext = -10,
  LAErrorNotInteractive = -1004,
} LAError;

@interface LAContext : NSObject {
  BOOL invalidated_;
}
- (BOOL)canEvaluatePolicy:(LAPolicy)policy error:(NSError**)error;
- (void)evaluatePolicy:(LAPolicy)policy
       localizedReason:(NSString*)reason
                 reply:(void (^)(BOOL success, NSError* error))reply;
- (void)setLocalizedFallbackTitle:(NSString*)title;
- (void)invalidate;
@end
